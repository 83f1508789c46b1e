//! Finds the one server that keeps the keys, and connects to it.
//!
//! All keys have one hash tag, so one server keeps them even in a cluster. Following a redirect is
//! therefore all that a cluster needs, and TLS, time-outs and blocking reads stay in this crate.

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
use super::tls::{self, Roots};
use crate::config_error::ConfigError;

/// Says where Redis is, and how connections to it are secured.
#[derive(Clone)]
pub(in crate::state) struct ConnectSettings {
    pub(in crate::state) address: RedisAddress,
    /// Allows other machines without TLS.
    is_plain_allowed: bool,
    /// The trusted certificates, in place of those of the system.
    pub(in crate::state) roots: Option<Roots>,
}

impl ConnectSettings {
    /// Reads an address. One of another machine must have TLS.
    pub(in crate::state) fn new(address: &str) -> Result<Self, ConfigError> {
        let address = RedisAddress::read(address)?;
        address.check_secrecy()?;
        Ok(Self { address, is_plain_allowed: false, roots: None })
    }

    /// Reads an address. It may be of another machine without TLS.
    pub(in crate::state) fn dangerously_without_tls(address: &str) -> Result<Self, ConfigError> {
        let address = RedisAddress::read(address)?;
        Ok(Self { address, is_plain_allowed: true, roots: None })
    }
}

/// Makes connections. No step of that takes longer than `patience`.
pub(in crate::state) struct Connector<'s> {
    address: &'s RedisAddress,
    tls: Option<TlsConnector>,
    is_plain_allowed: bool,
    patience: Duration,
}

impl<'s> Connector<'s> {
    pub(in crate::state) fn new(
        settings: &'s ConnectSettings,
        patience: Duration,
    ) -> Result<Self, RedisError> {
        let address = &settings.address;
        let tls = address.uses_tls.then(|| tls::connector(settings.roots.as_ref()));
        let tls = tls.transpose().map_err(RedisError::broken)?;
        Ok(Self { address, tls, is_plain_allowed: settings.is_plain_allowed, patience })
    }

    /// Connects to the master that keeps a key.
    pub(in crate::state) async fn connect(&self, key: &str) -> Result<(Host, Link), RedisError> {
        let mut problem = None;
        for host in &self.address.hosts {
            let found = match &self.address.service {
                Some(service) => match self.ask_sentinel(host, service).await {
                    Ok(host) => self.find(host, key).await,
                    Err(problem) => Err(problem),
                },
                None => self.find(host.clone(), key).await,
            };
            match found {
                Ok(server) => return Ok(server),
                Err(error) => problem = Some(RedisError::Broken(format!("{host}: {error}"))),
            }
        }
        Err(problem.unwrap_or(RedisError::Broken("no host is named".to_owned())))
    }

    /// Connects to a host, which is the master that keeps the keys. No answer is awaited for longer than
    /// `patience`.
    pub(in crate::state) async fn open(
        &self,
        host: &Host,
        patience: Duration,
    ) -> Result<Link, RedisError> {
        self.open_as(host, self.info(), patience).await
    }

    /// Connects to the host, or to the server that it redirects to.
    async fn find(&self, mut host: Host, key: &str) -> Result<(Host, Link), RedisError> {
        for _ in 0..=REDIRECTS {
            let mut link = self.open(&host, self.patience).await?;
            match is_kept_here(&mut link, key).await {
                Ok(()) => return Ok((host, link)),
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
        let mut link = self.open_as(host, info, self.patience).await?;
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

    async fn open_as(
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
pub(in crate::state) async fn eviction_policy(
    link: &mut Link,
) -> Result<Option<Arc<str>>, RedisError> {
    match link.ask(cmd("CONFIG").arg("GET").arg("maxmemory-policy")).await {
        Ok(answer) => Ok(match answer {
            Value::Map(pairs) => pairs.first().and_then(|(_, policy)| text(policy).map(Arc::from)),
            answer => texts(&answer).and_then(|pair| pair.get(1).map(|policy| Arc::from(*policy))),
        }),
        Err(RedisError::Refused(_)) => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// The one policy with which Redis evicts nothing.
pub(in crate::state) const KEEPS_ALL: &str = "noeviction";

const REDIRECTS: usize = 4;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Returns why a connection to a host is not made.
    async fn refused(name: &str, tls: Option<TlsConnector>, is_plain_allowed: bool) -> String {
        let address = RedisAddress::read("redis://localhost").unwrap();
        let patience = Duration::from_secs(5);
        let connector = Connector { address: &address, tls, is_plain_allowed, patience };
        let host = Host { name: name.to_owned(), port: 1 };
        let opened = connector.open(&host, patience).await;
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
        let settings = ConnectSettings::new("redis://localhost").unwrap();
        let connector = Connector::new(&settings, Duration::from_secs(3)).unwrap();
        connector.find(host, "{shop}:1:stream").await.map(|(host, _)| host)
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
