//! Tests the formats of fields, as a trusted hop sends them.

use std::fmt::Write as _;

use axum::Router;
use http::{HeaderName, Request};
use tower_bearer::mtls::{CertificateField, ClientCertificateLayer};
use tower_bearer::{ConfigError, Reason};

use super::{NO_CERTIFICATE, Peer, RFC_8705, RFC_9440, app, bound, checked, der_of, hops};
use crate::support::{Answer, WithBearer, get, invalid_token, send};

const NGINX: &str = "x-client-cert";

/// An app behind a hop that sends this field.
fn behind(field: CertificateField) -> Router {
    app(checked()).layer(ClientCertificateLayer::from_hop(field, hops()))
}

fn escaped_pem() -> CertificateField {
    CertificateField::escaped_pem(HeaderName::from_static(NGINX)).unwrap()
}

async fn send_with(app: &Router, fields: &[(&'static str, &str)]) -> Answer {
    let mut request: Request<_> = get("/").bearer(bound());
    for (name, value) in fields {
        request = request.field(name, value);
    }
    request.extensions_mut().insert(Peer("10.1.2.3".parse().unwrap()));
    send(app, request).await
}

async fn is_accepted(app: &Router, field: &'static str, value: &str) {
    send_with(app, &[(field, value)]).await.is_ok("alice");
}

#[track_caller]
fn counts_as_none(answer: &Answer) {
    answer.is_refused(401, Some(&invalid_token(NO_CERTIFICATE)), Reason::BoundToken);
}

/// The PEM of a certificate as OpenSSL writes it, with all but letters and digits escaped.
pub fn escaped(base64: &str, line_end: &str) -> String {
    let mut pem = format!("-----BEGIN CERTIFICATE-----{line_end}");
    for line in base64.as_bytes().chunks(64) {
        pem += str::from_utf8(line).unwrap();
        pem += line_end;
    }
    pem += "-----END CERTIFICATE-----";
    pem += line_end;
    pem.bytes().fold(String::new(), |mut text, byte| {
        match byte.is_ascii_alphanumeric() {
            true => text.push(byte.into()),
            false => write!(text, "%{byte:02X}").unwrap(),
        }
        text
    })
}

/// SHA-256 of the certificate in hexadecimal digits.
pub fn hash(base64: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der_of(base64));
    hash.as_ref().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[tokio::test]
async fn client_cert_of_rfc_9440_is_one_byte_sequence() {
    let app = behind(CertificateField::client_cert());

    // RFC 9440 §2.2: Client-Cert is the DER as one byte sequence
    is_accepted(&app, "client-cert", &format!(":{RFC_9440}:")).await;
    is_accepted(&app, "client-cert", &format!("  :{RFC_9440}:  ")).await;
    is_accepted(&app, "client-cert", &format!(":{}:", RFC_9440.trim_end_matches('='))).await;
    for malformed in [
        RFC_9440,
        &format!(":{RFC_9440}"),
        &format!("{RFC_9440}:"),
        &format!(":{RFC_9440}:;a=b"),
        &format!(":{RFC_9440}:, :{RFC_9440}:"),
        &format!("::{RFC_9440}::"),
        &format!("\"{RFC_9440}\""),
        &format!(":{}:", RFC_9440.replace('/', "_")),
        &format!(":{}:", RFC_9440.replacen("MIIB", "MII B", 1)),
        &format!(":{}:", &RFC_9440[..RFC_9440.len() - 4]),
        &format!(":{}AAAA:", RFC_9440.trim_end_matches('=')),
        &escaped(RFC_9440, "\n"),
        ":",
        "::",
        "",
    ] {
        counts_as_none(&send_with(&app, &[("client-cert", malformed)]).await);
    }
}

#[tokio::test]
async fn field_that_is_there_twice_counts_as_no_certificate() {
    let own = format!(":{RFC_9440}:");
    let other = format!(":{RFC_8705}:");
    let app = behind(CertificateField::client_cert());

    // RFC 9440 §2.2: Client-Cert is not there twice
    for fields in [[&own, &other], [&other, &own], [&own, &own]] {
        let fields = fields.map(|value| ("client-cert", &**value));
        counts_as_none(&send_with(&app, &fields).await);
    }
    for (field, value) in [
        (CertificateField::xfcc(), format!("Hash={}", hash(RFC_9440))),
        (escaped_pem(), escaped(RFC_9440, "\n")),
    ] {
        let name = if field == escaped_pem() { NGINX } else { "x-forwarded-client-cert" };
        let app = behind(field);
        counts_as_none(&send_with(&app, &[(name, &value), (name, &value)]).await);
        is_accepted(&app, name, &value).await;
    }
}

#[tokio::test]
async fn chain_binds_nothing() {
    let app = behind(CertificateField::client_cert());
    let own = format!(":{RFC_9440}:");

    // RFC 9440 §2.3: Client-Cert-Chain binds nothing
    counts_as_none(&send_with(&app, &[("client-cert-chain", &own)]).await);
    let both = [("client-cert", &*own), ("client-cert-chain", &*own)];
    send_with(&app, &both).await.is_ok("alice");
}

#[tokio::test]
async fn xfcc_names_the_hash_or_holds_the_certificate() {
    let app = behind(CertificateField::xfcc());
    let (own, other) = (hash(RFC_9440), hash(RFC_8705));
    let pem = escaped(RFC_9440, "\n");
    let name = "x-forwarded-client-cert";

    for value in [
        format!("Hash={own}"),
        format!("hash={}", own.to_uppercase()),
        // The example of Envoy's documentation, with another hash.
        format!(
            "By=http://frontend.lyft.com;Hash={own};Subject=\"/C=US/ST=CA/L=San Francisco/OU=Lyft/CN=Test \
             Client\";URI=http://testclient.lyft.com"
        ),
        format!("Cert=\"{pem}\""),
        format!("By=a;Hash={own};Cert=\"{pem}\";Chain=\"{pem}\""),
        // The nearest proxy has added the last element.
        format!("Hash={other},By=a;Hash={own}"),
        format!("Hash={other};Subject=\"CN=x,y;z=\", Hash={own}"),
    ] {
        is_accepted(&app, name, &value).await;
    }
    for value in [
        format!("Hash={own},By=a"),
        format!("Hash={own},"),
        format!("Hash={}", &own[..62]),
        format!("Hash={own}00"),
        format!("Hash={}", own.replace('0', "g")),
        format!("Hash={other};Cert=\"{pem}\""),
        format!("Hash={own};Hash={own}"),
        format!("Cert={}", &pem[..pem.len() - 9]),
        format!("Chain=\"{pem}\""),
        "By=a".to_owned(),
        format!("Hash={other};URI=spiffe://a,Hash={own}"),
        format!("Subject=\",By=a;Hash={other};URI=\";Hash={own}"),
        format!("Subject=\"Hash={own}"),
        own.clone(),
    ] {
        counts_as_none(&send_with(&app, &[(name, &value)]).await);
    }
    let last = format!("Hash={own},Hash={other}");
    let another = send_with(&app, &[(name, &last)]).await;
    another.is_refused(401, Some(&invalid_token(super::ANOTHER)), Reason::WrongBinding);
}

#[tokio::test]
async fn escaped_pem_is_one_certificate() {
    let app = behind(escaped_pem());
    let own = escaped(RFC_9440, "\n");
    for value in [
        own.clone(),
        escaped(RFC_9440, "\r\n"),
        own.trim_end_matches("%0A").to_owned(),
        own.replace("%2B", "%2b").replace("%0A", "%0a"),
        own.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=").replace("%2D", "-"),
    ] {
        is_accepted(&app, NGINX, &value).await;
    }
    for value in [
        RFC_9440.to_owned(),
        format!("{own}{own}"),
        own.replace("%0A", "%20"),
        own.replace("CERTIFICATE", "PRIVATE%20KEY"),
        own.replace("END", "ENDE"),
        own[..own.len() / 2].to_owned(),
        own.replacen("MIIB", "MIIC", 1),
        "%".to_owned(),
        "%FF%00".to_owned(),
    ] {
        counts_as_none(&send_with(&app, &[(NGINX, &value)]).await);
    }
}

#[test]
fn field_that_requests_need_otherwise_is_a_mistake_and_one_of_its_own_is_not() {
    for name in [
        "accept",
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "dpop",
        "expect",
        "forwarded",
        "host",
        "origin",
        "proxy-authorization",
        "sec-fetch-site",
        "te",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-api-key",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
    ] {
        let error = CertificateField::escaped_pem(HeaderName::from_static(name)).unwrap_err();
        assert_eq!(error, ConfigError::CertificateField { name: name.to_owned() });
        assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
    }
    for name in ["x-ssl-client-cert", "x-amzn-mtls-clientcert-leaf", "ssl-client-cert"] {
        let field = CertificateField::escaped_pem(HeaderName::from_static(name)).unwrap();
        assert_eq!(field.name(), name);
    }
}

#[tokio::test]
async fn oversized_field_counts_as_no_certificate() {
    let app = behind(CertificateField::xfcc());
    let name = "x-forwarded-client-cert";
    let padded = |length: usize| {
        let value = format!("Hash={};By=", hash(RFC_9440));
        format!("{value}{}", "a".repeat(length - value.len()))
    };

    is_accepted(&app, name, &padded(65536)).await;
    counts_as_none(&send_with(&app, &[(name, &padded(65537))]).await);
}

#[tokio::test]
async fn field_with_other_than_ascii_counts_as_no_certificate() {
    let app = behind(CertificateField::xfcc());
    let own = hash(RFC_9440);
    let name = "x-forwarded-client-cert";

    counts_as_none(&send_with(&app, &[(name, &format!("Hash={own};By=\u{e4}"))]).await);
    is_accepted(&app, name, &format!("Hash={own};By=a")).await;
}
