//! The part of native-tls that reqwest uses. It connects to nothing and says so.

use std::fmt;
use std::io::{self, Read, Write};
use std::marker::PhantomData;

/// The error of every connection.
#[derive(Debug)]
pub struct Error;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another TLS library was asked to connect")
    }
}

impl std::error::Error for Error {}

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Clone, Debug)]
pub struct TlsConnector;

#[derive(Clone, Debug)]
pub struct TlsAcceptor;

#[derive(Debug)]
pub struct TlsConnectorBuilder;

#[derive(Clone, Debug)]
pub struct Certificate;

#[derive(Clone, Debug)]
pub struct Identity;

#[derive(Clone, Copy, Debug)]
pub enum Protocol {
    Sslv3,
    Tlsv10,
    Tlsv11,
    Tlsv12,
    Tlsv13,
}

#[derive(Debug)]
pub enum HandshakeError<S> {
    Failure(Error),
    WouldBlock(MidHandshakeTlsStream<S>),
}

/// There is none.
#[derive(Debug)]
pub struct MidHandshakeTlsStream<S>(Never, PhantomData<S>);

/// There is none.
#[derive(Debug)]
pub struct TlsStream<S>(Never, PhantomData<S>);

#[derive(Debug)]
enum Never {}

impl TlsConnector {
    pub fn new() -> Result<Self> {
        Ok(Self)
    }

    pub fn builder() -> TlsConnectorBuilder {
        TlsConnectorBuilder
    }

    pub fn connect<S: Read + Write>(
        &self,
        _: &str,
        _: S,
    ) -> std::result::Result<TlsStream<S>, HandshakeError<S>> {
        Err(HandshakeError::Failure(Error))
    }
}

impl TlsAcceptor {
    pub fn accept<S: Read + Write>(
        &self,
        _: S,
    ) -> std::result::Result<TlsStream<S>, HandshakeError<S>> {
        Err(HandshakeError::Failure(Error))
    }
}

impl TlsConnectorBuilder {
    pub fn request_alpns(&mut self, _: &[&str]) -> &mut Self {
        self
    }

    pub fn danger_accept_invalid_hostnames(&mut self, _: bool) -> &mut Self {
        self
    }

    pub fn danger_accept_invalid_certs(&mut self, _: bool) -> &mut Self {
        self
    }

    pub fn use_sni(&mut self, _: bool) -> &mut Self {
        self
    }

    pub fn disable_built_in_roots(&mut self, _: bool) -> &mut Self {
        self
    }

    pub fn add_root_certificate(&mut self, _: Certificate) -> &mut Self {
        self
    }

    pub fn identity(&mut self, _: Identity) -> &mut Self {
        self
    }

    pub fn min_protocol_version(&mut self, _: Option<Protocol>) -> &mut Self {
        self
    }

    pub fn max_protocol_version(&mut self, _: Option<Protocol>) -> &mut Self {
        self
    }

    pub fn build(&self) -> Result<TlsConnector> {
        Ok(TlsConnector)
    }
}

impl Certificate {
    pub fn from_der(_: &[u8]) -> Result<Self> {
        Ok(Self)
    }

    pub fn from_pem(_: &[u8]) -> Result<Self> {
        Ok(Self)
    }

    pub fn to_der(&self) -> Result<Vec<u8>> {
        Err(Error)
    }
}

impl Identity {
    pub fn from_pkcs12(_: &[u8], _: &str) -> Result<Self> {
        Err(Error)
    }

    pub fn from_pkcs8(_: &[u8], _: &[u8]) -> Result<Self> {
        Err(Error)
    }
}

impl<S> MidHandshakeTlsStream<S> {
    pub fn get_ref(&self) -> &S {
        match self.0 {}
    }

    pub fn get_mut(&mut self) -> &mut S {
        match self.0 {}
    }

    pub fn handshake(self) -> std::result::Result<TlsStream<S>, HandshakeError<S>> {
        match self.0 {}
    }
}

impl<S> TlsStream<S> {
    pub fn get_ref(&self) -> &S {
        match self.0 {}
    }

    pub fn get_mut(&mut self) -> &mut S {
        match self.0 {}
    }

    pub fn peer_certificate(&self) -> Result<Option<Certificate>> {
        match self.0 {}
    }

    pub fn negotiated_alpn(&self) -> Result<Option<Vec<u8>>> {
        match self.0 {}
    }

    pub fn shutdown(&mut self) -> io::Result<()> {
        match self.0 {}
    }
}

impl<S> Read for TlsStream<S> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }
}

impl<S> Write for TlsStream<S> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        match self.0 {}
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0 {}
    }
}
