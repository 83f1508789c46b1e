//! Finds the one server that keeps the keys, and connects to it.
//!
//! All keys have one hash tag, so one server keeps them even in a cluster. Following a redirect is
//! therefore all that a cluster needs, and TLS, time-outs and the blocking read stay in this crate.
//!
//! The redis crate is used for its protocol only: its cluster connection shares one socket with the blocking
//! read, and its TLS asks rustls for the default provider, which panics in a program that has linked two.

use std::sync::Arc;
use std::time::Duration;

use redis::{RedisConnectionInfo, Value, cmd};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::address::{Host, RedisAddress};
use super::error::RedisError;
use super::link::{Link, list, text, texts};
use super::settings::RedisSettings;
use super::tls;

/// Connections to the server that keeps the keys.
pub(super) struct Server {
    pub(super) host: Host,
    /// For reads that block until there is an entry.
    pub(super) follow: Link,
    /// For everything else.
    pub(super) work: Link,
}

pub(super) async fn connect(settings: &RedisSettings) -> Result<Server, RedisError> {
    let address = &settings.address;
    let tls = address.uses_tls.then(|| tls::connector(settings.roots.as_ref()));
    let tls = tls.transpose().map_err(RedisError::broken)?;
    let is_plain_allowed = settings.is_plain_allowed;
    let way = Way { address, tls, is_plain_allowed, patience: settings.patience() };
    let mut problem = None;
    for host in &address.hosts {
        let found = match &address.service {
            Some(service) => match way.ask_sentinel(host, service).await {
                Ok(host) => way.find(host, settings).await,
                Err(problem) => Err(problem),
            },
            None => way.find(host.clone(), settings).await,
        };
        match found {
            Ok(server) => return Ok(server),
            Err(error) => problem = Some(RedisError::Broken(format!("{host}: {error}"))),
        }
    }
    Err(problem.unwrap_or(RedisError::Broken("no host is named".to_owned())))
}

struct Way<'s> {
    address: &'s RedisAddress,
    tls: Option<TlsConnector>,
    is_plain_allowed: bool,
    patience: Duration,
}

impl Way<'_> {
    /// Connects to the host, or to the server that it redirects to.
    async fn find(&self, mut host: Host, settings: &RedisSettings) -> Result<Server, RedisError> {
        for _ in 0..=REDIRECTS {
            let mut work = self.open(&host, self.info(), self.patience).await?;
            match is_kept_here(&mut work, &settings.keys.stream()).await {
                Ok(()) => {
                    // A blocking read is answered late, which is no sign of a failure.
                    let patience = self.patience + settings.block();
                    let follow = self.open(&host, self.info(), patience).await?;
                    return Ok(Server { host, follow, work });
                }
                // An empty name stands for the server that sent it.
                Err(RedisError::Elsewhere { host: name, port }) if name.is_empty() => {
                    host.port = port;
                }
                Err(RedisError::Elsewhere { host: name, port }) => {
                    let name = name.trim_start_matches('[').trim_end_matches(']').to_owned();
                    host = Host { name, port };
                }
                Err(problem) => return Err(problem),
            }
        }
        Err(RedisError::Broken("the servers of the cluster redirect in a circle".to_owned()))
    }

    async fn ask_sentinel(&self, host: &Host, service: &str) -> Result<Host, RedisError> {
        let info = RedisConnectionInfo::default().set_skip_set_lib_name();
        let mut link = self.open(host, info, self.patience).await?;
        let mut command = cmd("SENTINEL");
        command.arg("get-master-addr-by-name").arg(service);
        let answer = link.ask(&command).await?;
        match texts(&answer).as_deref() {
            Some([name, port]) => match port.parse() {
                Ok(port) => Ok(Host { name: (*name).to_owned(), port }),
                Err(_) => Err(RedisError::unreadable("the sentinel's answer")),
            },
            _ => Err(RedisError::Broken(format!("the sentinel knows no master of {service:?}"))),
        }
    }

    async fn open(
        &self,
        host: &Host,
        info: RedisConnectionInfo,
        patience: Duration,
    ) -> Result<Link, RedisError> {
        // A sentinel or a cluster may lead elsewhere.
        if self.tls.is_none() && !self.is_plain_allowed && !host.is_loopback() {
            return Err(RedisError::Broken(format!(
                "{host} is another machine, and there is no TLS"
            )));
        }
        let late = |_| RedisError::Broken(format!("{host} cannot be reached in time"));
        let connecting = TcpStream::connect((host.name.as_str(), host.port));
        let stream =
            timeout(self.patience, connecting).await.map_err(late)?.map_err(RedisError::broken)?;
        stream.set_nodelay(true).map_err(RedisError::broken)?;
        match &self.tls {
            None => Link::new(stream, &info, patience).await,
            Some(tls) => {
                let name = ServerName::try_from(host.name.clone()).map_err(RedisError::broken)?;
                let shaking = tls.connect(name, stream);
                let stream = timeout(self.patience, shaking)
                    .await
                    .map_err(late)?
                    .map_err(RedisError::broken)?;
                Link::new(stream, &info, patience).await
            }
        }
    }

    fn info(&self) -> RedisConnectionInfo {
        let mut info = RedisConnectionInfo::default()
            .set_db(self.address.database.into())
            .set_skip_set_lib_name();
        if let Some(user) = &self.address.user {
            info = info.set_username(user);
        }
        if let Some(password) = &self.address.password {
            info = info.set_password(password);
        }
        info
    }
}

/// Checks that this server is the master that keeps the keys.
async fn is_kept_here(link: &mut Link, key: &str) -> Result<(), RedisError> {
    link.ask(cmd("EXISTS").arg(key)).await?;
    match link.ask(&cmd("ROLE")).await {
        Ok(role) => match list(&role).and_then(|role| role.first()).and_then(text) {
            Some("slave") => {
                Err(RedisError::Broken("it is a replica, which cannot be written to".to_owned()))
            }
            _ => Ok(()),
        },
        // Without permission to ask, the first write will show it.
        Err(RedisError::Refused(_)) => Ok(()),
        Err(problem) => Err(problem),
    }
}

/// Returns the eviction policy of the server, if this client may read it.
pub(super) async fn eviction_policy(link: &mut Link) -> Result<Option<Arc<str>>, RedisError> {
    match link.ask(cmd("CONFIG").arg("GET").arg("maxmemory-policy")).await {
        Ok(answer) => Ok(match answer {
            Value::Map(pairs) => pairs.first().and_then(|(_, policy)| text(policy).map(Arc::from)),
            answer => texts(&answer).and_then(|pair| pair.get(1).map(|policy| Arc::from(*policy))),
        }),
        Err(RedisError::Refused(_)) => Ok(None),
        Err(problem) => Err(problem),
    }
}

const REDIRECTS: usize = 4;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::super::keys::RedisKeys;
    use super::super::tls::Roots;
    use super::*;

    /// Returns why a connection to a host is not made.
    async fn refused(name: &str, tls: Option<TlsConnector>, is_plain_allowed: bool) -> String {
        let address = RedisAddress::read("redis://localhost").unwrap();
        let patience = Duration::from_secs(5);
        let way = Way { address: &address, tls, is_plain_allowed, patience };
        let host = Host { name: name.to_owned(), port: 1 };
        let opened = way.open(&host, way.info(), patience).await;
        opened.err().expect("no server listens").to_string()
    }

    #[tokio::test]
    async fn other_machine_is_reached_with_tls_or_where_plain_tcp_was_asked_for() {
        const REFUSED: &str = "another machine, and there is no TLS";
        let certified = rcgen::generate_simple_self_signed(["redis.invalid".to_owned()]).unwrap();
        let roots = Roots::read(&certified.cert.pem()).unwrap();
        let tls = tls::connector(Some(&roots)).unwrap();

        assert!(refused("redis.invalid", None, false).await.contains(REFUSED));

        // The name does not exist, and no server listens on this machine.
        assert!(!refused("redis.invalid", None, true).await.contains(REFUSED));
        assert!(!refused("redis.invalid", Some(tls), false).await.contains(REFUSED));
        assert!(!refused("127.0.0.1", None, false).await.contains(REFUSED));
    }

    /// A server that gives this answer to whether a key exists, and is a master.
    async fn server(exists: impl Fn(u16) -> String + Send + 'static) -> Host {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let exists = exists(port);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let exists = exists.clone();
                tokio::spawn(async move {
                    let mut command = [0; 1024];
                    while let Ok(length @ 1..) = stream.read(&mut command).await {
                        let command = String::from_utf8_lossy(&command[..length]);
                        let role = "*1\r\n$6\r\nmaster\r\n";
                        let answer = if command.contains("EXISTS") { &exists } else { role };
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        Host { name: "localhost".to_owned(), port }
    }

    async fn found(host: Host) -> Result<Host, RedisError> {
        let settings = RedisSettings {
            address: RedisAddress::read("redis://localhost").unwrap(),
            is_plain_allowed: false,
            roots: None,
            keys: RedisKeys::usual(),
            max_lifetime: Duration::from_secs(900),
            max_gap: Duration::from_secs(10),
            reconciled_every: Duration::from_secs(600),
            stream_length: 1,
            carries_on: false,
        };
        let patience = settings.patience();
        let way = Way { address: &settings.address, tls: None, is_plain_allowed: false, patience };
        way.find(host, &settings).await.map(|server| server.host)
    }

    #[tokio::test]
    async fn keys_are_followed_to_the_server_that_has_them() {
        let last = server(|_| ":0\r\n".to_owned()).await;
        let port = last.port;
        let named = server(move |_| format!("-MOVED 1 127.0.0.1:{port}\r\n")).await;
        let unnamed = server(move |_| format!("-MOVED 1 :{port}\r\n")).await;
        let circle = server(|own| format!("-MOVED 1 :{own}\r\n")).await;

        assert_eq!(found(last.clone()).await, Ok(last.clone()));
        assert_eq!(found(named).await, Ok(Host { name: "127.0.0.1".to_owned(), port }));
        // An empty name stands for the host that was asked.
        assert_eq!(found(unnamed).await, Ok(last));
        assert!(found(circle).await.unwrap_err().to_string().contains("in a circle"));
    }
}
