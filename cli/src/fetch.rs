//! Sends single requests over HTTPS, and over HTTP on this machine, within limits of time and size.

use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::{Client, Method, Response, Url, redirect};

use crate::failure::Failure;
use crate::output::printable;

/// An answer, whatever its status.
pub(crate) struct Answer {
    /// The address that answered, after redirects.
    pub(crate) url: Url,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// The body is longer than [`MAX_BYTES`], and cut off there.
    pub(crate) is_cut: bool,
    /// The addresses that redirected here.
    pub(crate) redirects: Vec<Url>,
}

impl Answer {
    /// Returns the media type, without parameters and in lower case.
    pub(crate) fn media_type(&self) -> Option<String> {
        let field = self.headers.get(CONTENT_TYPE)?.to_str().ok()?;
        Some(field.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }
}

/// Reads an address that may be asked: of HTTPS, or of HTTP on this machine.
pub(crate) fn address(text: &str) -> Result<Url, Failure> {
    let shown = printable(text);
    let url = Url::parse(text)
        .map_err(|error| Failure::new(format_args!("{shown} is no address: {error}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Failure::new(
            "the address has a user or password in it, which logs would show",
        )
        .with_hint("leave out what stands in front of the @"));
    }
    match url.scheme() {
        "https" if url.has_host() => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err(Failure::new(format_args!(
            "{shown} is not HTTPS, so its answer could come from an attacker on the way"
        ))
        .with_hint("use https://; plain HTTP is for this machine (127.0.0.1, [::1], localhost)")),
        _ => Err(Failure::new(format_args!("{shown} is no address of HTTPS"))
            .with_hint("write it with https:// and a host")),
    }
}

/// Returns whether the host of an address is this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Returns whether text is an address of plain HTTP on this machine, as a provider for development has.
pub(crate) fn is_plain_loopback(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| url.scheme() == "http" && is_loopback(&url))
}

/// Gets a document. A redirect is an answer like any other.
pub(crate) async fn get_once(url: &Url) -> Result<Answer, Failure> {
    let response = request(url).await?;
    read(url.clone(), response, Vec::new()).await
}

async fn request(url: &Url) -> Result<Response, Failure> {
    let request = client(url)?.get(url.clone()).header(ACCEPT, "application/json, */*;q=0.1");
    request.send().await.map_err(|error| no_answer(url, error))
}

/// Gets a document, and follows a few redirects.
pub(crate) async fn get(url: &Url) -> Result<Answer, Failure> {
    let mut redirects = Vec::new();
    let mut url = url.clone();
    loop {
        let response = request(&url).await?;
        let location =
            response.headers().get(LOCATION).filter(|_| response.status().is_redirection());
        let Some(location) = location else { return read(url, response, redirects).await };
        let next = location.to_str().ok().and_then(|location| url.join(location).ok());
        let next = next
            .ok_or_else(|| Failure::new(format_args!("{url} redirects to what is no address")))?;
        let next = address(next.as_str())?;
        if is_loopback(&next) && !is_loopback(&url) {
            // Another host must not choose what is asked on this machine.
            return Err(Failure::new(format_args!("{url} redirects to this machine")));
        }
        if redirects.len() == MAX_REDIRECTS {
            return Err(Failure::new(format_args!("{} redirects too often", redirects[0])));
        }
        redirects.push(std::mem::replace(&mut url, next));
    }
}

/// Posts JSON. A redirect is an answer like any other.
pub(crate) async fn post_json(url: &Url, body: Vec<u8>) -> Result<Answer, Failure> {
    let request = client(url)?.request(Method::POST, url.clone());
    let request = request.header(CONTENT_TYPE, "application/json").body(body);
    let response = request.send().await.map_err(|error| no_answer(url, error))?;
    read(url.clone(), response, Vec::new()).await
}

/// Runs an exchange to its end.
pub(crate) fn wait_for<T>(
    exchange: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(exchange)
}

/// Returns a client for this address, which follows no redirects.
pub(crate) fn client(url: &Url) -> Result<Client, Failure> {
    let builder = Client::builder()
        .user_agent(concat!("bearer/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(10))
        .redirect(redirect::Policy::none());
    // On this machine there is no proxy in between, and plain HTTP needs no certificates.
    let builder = match url.scheme() {
        "http" => builder.no_proxy().tls_certs_only([]),
        _ => builder,
    };
    builder
        .build()
        .map_err(|error| Failure::new(format_args!("HTTPS is not possible here: {error}")))
}

async fn read(url: Url, mut response: Response, redirects: Vec<Url>) -> Result<Answer, Failure> {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let (mut body, mut is_cut) = (Vec::new(), false);
    while let Some(part) = response.chunk().await.map_err(|error| no_answer(&url, error))? {
        let room = MAX_BYTES - body.len();
        body.extend_from_slice(&part[..part.len().min(room)]);
        if part.len() > room {
            is_cut = true;
            break;
        }
    }
    Ok(Answer { url, status, headers, body, is_cut, redirects })
}

/// Returns the failure of a request to which no answer came.
pub(crate) fn no_answer(url: &Url, error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Each error says its own part.
        reason = format!("{reason}: {error}");
        cause = error.source();
    }
    let failure = Failure::new(format_args!("{url} does not answer: {}", printable(&reason)));
    if is_loopback(url) {
        return failure.with_hint("is the server running, and on this port?");
    }
    failure.with_hint("check the address, the network and the certificate of the server")
}

/// The longest body that is read, in bytes.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;
const MAX_REDIRECTS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_this_machine_are_asked() {
        for good in [
            "https://id.example.com/a",
            "http://127.0.0.1:8080",
            "http://[::1]/",
            "http://localhost/x",
        ] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in [
            "http://id.example.com",
            "ftp://id.example.com",
            "id.example.com",
            "https://a:b@id.example.com",
            "",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_addresses_of_this_machine_may_do_without_tls() {
        for address in
            ["http://localhost:8080/x", "http://127.0.0.1", "http://[::1]:1/", "http://LOCALHOST"]
        {
            assert!(is_plain_loopback(address), "{address}");
        }
        for address in [
            "https://localhost",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "http://localhost@example.com/",
            "http://example.com/localhost",
            "http://10.0.0.1",
            "localhost",
        ] {
            assert!(!is_plain_loopback(address), "{address}");
        }
    }
}
