//! Stands in for a provider on this machine, and serves the page that looks inside tokens.

// In the order in which they may import from each other: each from those above it only.
mod address;
mod user;
mod reply;
mod form;
mod reports;
mod fault;
mod provider;
mod event;
mod routes;
mod listen;
mod keyboard;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tower_bearer::Algorithm;

use self::address::Site;
use self::event::Event;
use self::fault::Fault;
use self::keyboard::Keyboard;
use self::provider::{Provider, Settings};
use self::routes::Server;
use self::user::User;
use crate::dates;
use crate::failure::Failure;
use crate::output::{FAINT, NAME, Output, STRONG, printable, styled};
use crate::page::Page;

pub(crate) use self::address::LoopbackAddress;
pub(crate) use self::reports::{Explaining, Keys, Question, Reports};

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// The port, or the address of this machine; port 0 is a free one.
    #[arg(long, value_name = "ADDRESS", default_value_t = LoopbackAddress::ANY_PORT)]
    addr: LoopbackAddress,
    /// The audience of the tokens; may be repeated.
    #[arg(long, value_name = "AUDIENCE", default_value = "https://api.example.com")]
    audience: Vec<String>,
    /// The algorithm of the keys, ES256 if nothing else says so.
    #[arg(long, value_name = "NAME", value_parser = public_algorithm)]
    algorithm: Option<Algorithm>,
    /// How long tokens are valid.
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = lifetime)]
    lifetime: Duration,
    /// A user with roles and scopes, who gets tokens without a password; may be repeated.
    #[arg(long = "user", value_name = "NAME[:ROLE,…[:SCOPE,…]]")]
    users: Vec<User>,
    /// Keep the keys in a file, which is made if it does not exist; or sign with the private key in it.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

/// Runs the provider until a signal or a key press ends it.
pub(crate) fn run(
    args: ServeArgs,
    reports: impl Reports,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let users = if args.users.is_empty() { User::examples() } else { args.users };
    let keys = provider::keys(args.algorithm, args.lifetime, args.key_file.as_deref())?;
    serve(args.addr, reports, output, |address| {
        let settings = Settings {
            issuer: format!("http://{address}"),
            audiences: args.audience,
            lifetime: args.lifetime,
            users,
        };
        Provider::new(settings, keys).map(Some)
    })
}

/// Serves the page without a provider until a signal or a key press ends it.
pub(crate) fn page_only(
    address: LoopbackAddress,
    reports: impl Reports,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    serve(address, reports, output, |_| Ok(None))
}

fn serve(
    address: LoopbackAddress,
    reports: impl Reports,
    output: &mut Output,
    provider: impl FnOnce(SocketAddr) -> Result<Option<Provider>, Failure>,
) -> Result<ExitCode, Failure> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime
        .map_err(|error| Failure::new(format_args!("the system starts no threads: {error}")))?;
    let served = runtime.block_on(async {
        let taken = |error| {
            Failure::new(format_args!("{address} cannot be listened on: {error}"))
                .with_hint("use another port; 0 is a free one")
        };
        let listener = TcpListener::bind(address.get()).await.map_err(taken)?;
        let address = listener.local_addr().map_err(taken)?;
        let provider = provider(address)?;
        let (events, received) = mpsc::unbounded_channel();
        let server = Arc::new(Server {
            site: Site::new(address.port()),
            page: Page::new(),
            provider,
            reports: Arc::new(reports),
            events,
        });
        let stop = stop_signal()?;
        let keyboard = if output.is_json() { None } else { Keyboard::open() };
        introduce(&server, address, keyboard.is_some(), output)?;
        attend(listener, server, received, keyboard, stop, output).await
    });
    // A fetch of the page may be under way.
    runtime.shutdown_background();
    served.map(|()| ExitCode::SUCCESS)
}

/// Prints events and obeys key presses until the end.
async fn attend(
    listener: TcpListener,
    server: Arc<Server>,
    mut events: mpsc::UnboundedReceiver<Event>,
    mut keyboard: Option<Keyboard>,
    stop: impl Future<Output = ()>,
    output: &mut Output,
) -> Result<(), Failure> {
    let serving = tokio::spawn(listen::serve(listener, Arc::clone(&server)));
    let mut stop = std::pin::pin!(stop);
    let ended = loop {
        tokio::select! {
            () = &mut stop => break Ok(()),
            Some(event) = events.recv() => {
                if let Err(error) = event.print(output) {
                    break Err(error.into());
                }
            }
            key = Keyboard::press(&mut keyboard) => {
                if key == b'q' {
                    break Ok(());
                }
                obey(key, &server);
            }
        }
    };
    serving.abort();
    ended
}

fn obey(key: u8, server: &Server) {
    let Some(provider) = &server.provider else { return };
    match key {
        b'r' => server.tell(Event::Rotated(provider.rotate())),
        b'f' => server.change_fault(provider, Fault::next(provider.fault())),
        b'h' => server.change_fault(provider, None),
        _ => {}
    }
}

/// Completes when the program is asked to end.
fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let open = |kind| {
            signal(kind)
                .map_err(|error| Failure::new(format_args!("signals cannot be heard: {error}")))
        };
        let (mut interrupt, mut terminate) =
            (open(SignalKind::interrupt())?, open(SignalKind::terminate())?);
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async { drop(tokio::signal::ctrl_c().await) })
}

/// Prints the addresses.
fn introduce(
    server: &Server,
    address: SocketAddr,
    has_keys: bool,
    output: &mut Output,
) -> Result<(), Failure> {
    let page = format!("http://{address}/");
    if output.is_json() {
        let mut start = json!({ "event": "listening", "page": page });
        if let (Some(provider), Value::Object(members)) = (&server.provider, &mut start) {
            let settings = provider.settings();
            let issuer = &settings.issuer;
            let Value::Object(others) = json!({
                "issuer": issuer,
                "metadata": format!("{issuer}/.well-known/openid-configuration"),
                "jwks": format!("{issuer}/jwks"),
                "token": format!("{issuer}/token"),
                "mint": format!("{issuer}/mint"),
                "audiences": settings.audiences,
                "algorithm": provider.algorithm().as_str(),
                "users": settings.users,
            }) else {
                return Ok(());
            };
            members.extend(others);
        }
        return Ok(event::print_json(output, &start)?);
    }
    let mut row = |name: &str, value: &str| {
        output.line(format_args!("{}{}", styled(FAINT, format_args!("{name:<10}")), value))
    };
    let quit = if has_keys { "q quits." } else { "Ctrl-C ends it." };
    let Some(provider) = &server.provider else {
        row("page", &styled(STRONG, &page))?;
        return Ok(output.line(format_args!("\nTokens stay on this machine. {quit}\n"))?);
    };
    let settings = provider.settings();
    let issuer = &settings.issuer;
    let users: Vec<String> = settings.users.iter().map(described).collect();
    row("issuer", &styled(STRONG, issuer))?;
    row("metadata", &format!("{issuer}/.well-known/openid-configuration"))?;
    row("keys", &format!("{issuer}/jwks ({})", provider.algorithm()))?;
    row("tokens", &format!("POST {issuer}/token, POST {issuer}/mint"))?;
    row("page", &styled(STRONG, &page))?;
    row("audience", &printable(&settings.audiences.join(", ")))?;
    row("users", &printable(&users.join("; ")))?;
    output.line("\nFor development only: every program of this machine gets every token.")?;
    if has_keys {
        let key = |key: &str| styled(NAME, key);
        output.line(format_args!(
            "{} rotates the keys, {} sets the next fault, {} heals it, {} quits.\n",
            key("r"),
            key("f"),
            key("h"),
            key("q")
        ))?;
    } else {
        output.line(format_args!("{quit}\n"))?;
    }
    Ok(())
}

fn described(user: &User) -> String {
    let grants = [&user.roles[..], &user.scopes[..]].concat();
    match &grants[..] {
        [] => user.name.clone(),
        grants => format!("{} ({})", user.name, grants.join(", ")),
    }
}

fn public_algorithm(name: &str) -> Result<Algorithm, String> {
    let is_good = |algorithm: &Algorithm| !provider::is_secret(*algorithm);
    name.parse().ok().filter(is_good).ok_or_else(|| {
        let names = Algorithm::ALL.into_iter().filter(is_good).map(Algorithm::as_str);
        format!("the algorithms with a public key are {}", names.collect::<Vec<_>>().join(", "))
    })
}

fn lifetime(text: &str) -> Result<Duration, String> {
    let lifetime = dates::parse_span(text)?;
    if lifetime < Duration::from_secs(1) || lifetime > MAX_LIFETIME {
        return Err("tokens are valid for a second at least and for a year at most".into());
    }
    Ok(lifetime)
}

const MAX_LIFETIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

const EXAMPLES: &str = "\
Examples:
  bearer serve --addr 8080 --user alice:admin:read,write
  curl -d grant_type=client_credentials -d client_id=orders http://127.0.0.1:8080/token
  curl -d grant_type=urn:bearer:dev:user -d user=alice http://127.0.0.1:8080/token
  curl -d '{\"claims\":{\"aud\":\"orders\",\"nbf\":null}}' http://127.0.0.1:8080/mint
  curl -X POST http://127.0.0.1:8080/rotate
  curl -d '{\"fault\":\"slow\"}' http://127.0.0.1:8080/fault; curl -X POST http://127.0.0.1:8080/heal";

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::reports::{Explaining, Keys, Question};
    use super::*;

    /// Writes down each question, and says what it was.
    #[derive(Default)]
    struct Double {
        refuses: bool,
        seen: Arc<Mutex<Vec<String>>>,
    }

    impl Reports for Double {
        fn inspect(&self, token: &str) -> String {
            json!({ "form": "unreadable", "bytes": token.len() }).to_string()
        }

        fn explain(&self, question: Question) -> Explaining<'_> {
            let keys = match question.keys {
                Keys::Secret(secret) => format!("secret {}", *secret),
                Keys::Pem(pem) => format!("pem {pem}"),
                Keys::Jwks(jwks) => format!("jwks {jwks}"),
                Keys::Issuer(is_meant) => format!("issuer {is_meant}"),
                Keys::Url(url) => format!("url {url}"),
            };
            let expected = [question.issuer, question.audience, question.preset];
            let expected = expected.map(|text| text.unwrap_or("-".into())).join(" ");
            self.seen.lock().unwrap().push(format!("{} {expected} {keys}", *question.token));
            let refuses = self.refuses;
            Box::pin(async move {
                if refuses {
                    return Err(Failure::new("this is no PEM").with_hint("paste another"));
                }
                Ok(json!({ "verdict": "accepted" }).to_string())
            })
        }
    }

    /// Serves the page alone, and returns its port.
    async fn page_of(reports: Double) -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Server {
            site: Site::new(port),
            page: Page::new(),
            provider: None,
            reports: Arc::new(reports),
            events: mpsc::unbounded_channel().0,
        };
        drop(tokio::spawn(listen::serve(listener, Arc::new(server))));
        port
    }

    /// Returns the status and the body.
    async fn post(port: u16, path: &str, body: &str) -> (u16, Value) {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        socket.write_all((head + body).as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap())
    }

    #[tokio::test]
    async fn questions_of_the_page_reach_the_reports_with_keys_of_every_kind() {
        let double = Double::default();
        let seen = Arc::clone(&double.seen);
        let port = page_of(double).await;

        let inspected = post(port, "/api/inspect", r#"{"token":"a.b"}"#).await;
        for keys in [
            r#"{"secret":"s"}"#,
            r#"{"pem":"p"}"#,
            r#"{"jwks":"j"}"#,
            r#"{"issuer":true}"#,
            r#"{"url":"u"}"#,
        ] {
            let body = format!(
                r#"{{"token":"t","issuer":"i","audience":null,"keys":{keys},"preset":null}}"#
            );
            let explained = post(port, "/api/explain", &body).await;
            assert_eq!(explained, (200, json!({ "verdict": "accepted" })));
        }

        assert_eq!(inspected, (200, json!({ "form": "unreadable", "bytes": 3 })));
        let kinds = ["secret s", "pem p", "jwks j", "issuer true", "url u"];
        assert_eq!(*seen.lock().unwrap(), kinds.map(|kind| format!("t i - - {kind}")));
    }

    #[tokio::test]
    async fn argument_that_cannot_be_used_is_said_in_words() {
        let port = page_of(Double { refuses: true, ..Double::default() }).await;

        let answer = post(port, "/api/explain", r#"{"token":"t","keys":{"pem":"p"}}"#).await;

        let problem = json!({
            "error": "unusable", "error_description": "this is no PEM", "hint": "paste another",
        });
        assert_eq!(answer, (422, problem));
    }

    #[tokio::test]
    async fn page_alone_gives_out_no_tokens() {
        let port = page_of(Double::default()).await;

        for path in ["/token", "/mint", "/rotate", "/fault", "/heal", "/jwks"] {
            let (status, body) = post(port, path, "").await;

            assert_eq!((status, &body["error"]), (404, &json!("not_found")), "{path}");
        }
    }

    #[test]
    fn lifetimes_are_read_in_words() {
        assert_eq!(lifetime("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(lifetime("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(lifetime("2d"), Ok(Duration::from_secs(172_800)));
        for text in ["", "15", "soon", "-5m", "0s", "2000h 8000h", "1 month", "400d"] {
            assert!(lifetime(text).is_err(), "{text}");
        }
    }

    #[test]
    fn algorithms_with_a_public_key_are_read() {
        assert_eq!(public_algorithm("EdDSA"), Ok(Algorithm::EdDSA));
        assert!(public_algorithm("HS256").unwrap_err().contains("ES256"));
        assert!(public_algorithm("none").is_err());
    }
}
