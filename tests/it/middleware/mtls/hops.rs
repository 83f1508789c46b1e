//! Tests which requests may bring a certificate in a field, and that all others lose the field.

use std::time::Duration;

use axum::Router;
use axum::response::Response;
use axum::routing::get as on_get;
use http::header::VARY;
use http::{HeaderName, HeaderValue};
use tokio::time::advance;
use tower_bearer::Reason;
use tower_bearer::binding::TrustedHops;
use tower_bearer::mtls::{CertificateField, ClientCertificate, ClientCertificateLayer};
use tracing::Level;

use super::{
    ANOTHER, NO_CERTIFICATE, Peer, RFC_8705, RFC_9440, app, bound, certificate, checked, hops,
};
use crate::support::log::Log;
use crate::support::{Answer, WithBearer, get, good, invalid_token, send};

const HOP: &str = "10.1.2.3";
const STRANGER: &str = "203.0.113.7";

/// The certificate of the connection, where a server of this test puts it.
#[derive(Clone)]
struct OfConnection(&'static str);

/// A request to a server behind a proxy.
#[derive(Clone, Copy, Default)]
struct Sent<'a> {
    peer: Option<&'a str>,
    connection: Option<&'static str>,
    extension: Option<&'static str>,
    field: Option<&'a str>,
    path: Option<&'a str>,
}

async fn ask(app: &Router, sent: Sent<'_>) -> Answer {
    let mut request = get(sent.path.unwrap_or("/")).bearer(bound());
    if let Some(field) = sent.field {
        let field = format!(":{field}:");
        request = request.field("client-cert", &field).field("client-cert-chain", &field);
    }
    let extensions = request.extensions_mut();
    sent.peer.map(|peer| extensions.insert(Peer(peer.parse().unwrap())));
    sent.connection.map(|der| extensions.insert(OfConnection(der)));
    sent.extension.map(|der| extensions.insert(certificate(der)));
    send(app, request).await
}

fn find(extensions: &http::Extensions) -> Option<ClientCertificate> {
    extensions.get::<OfConnection>().map(|der| certificate(der.0))
}

fn from_hop() -> ClientCertificateLayer {
    ClientCertificateLayer::from_hop(CertificateField::client_cert(), hops())
}

#[track_caller]
fn has_none(answer: &Answer) {
    answer.is_refused(401, Some(&invalid_token(NO_CERTIFICATE)), Reason::BoundToken);
}

#[track_caller]
fn has_another(answer: &Answer) {
    answer.is_refused(401, Some(&invalid_token(ANOTHER)), Reason::WrongBinding);
}

#[tokio::test]
async fn field_of_a_trusted_hop_counts_and_that_of_a_client_does_not() {
    let app = app(checked()).layer(from_hop());
    let own = Sent { field: Some(RFC_9440), ..Sent::default() };

    // RFC 9440 §2.4: Client-Cert of a trusted hop counts
    ask(&app, Sent { peer: Some(HOP), ..own }).await.is_ok("alice");
    ask(&app, Sent { peer: Some("::ffff:10.1.2.3"), ..own }).await.is_ok("alice");
    // RFC 9440 §2.4: Client-Cert of a client is not believed
    has_none(&ask(&app, Sent { peer: Some(STRANGER), ..own }).await);
    has_none(&ask(&app, Sent { peer: None, ..own }).await);
}

#[tokio::test]
async fn fields_with_certificates_are_removed_from_every_request() {
    let nginx = HeaderName::from_static("x-ssl-cert");
    let names = ["client-cert", "client-cert-chain", "x-forwarded-client-cert", "x-ssl-cert"];
    let layers = [
        (from_hop(), 3),
        (ClientCertificateLayer::from_connection(find), 3),
        (ClientCertificateLayer::from_hop(CertificateField::xfcc(), hops()), 3),
        (from_hop().with_hop(CertificateField::escaped_pem(nginx).unwrap(), hops()), 4),
    ];
    for (layer, removed) in layers {
        let app = app(checked()).layer(layer);
        for peer in [None, Some(STRANGER), Some(HOP)] {
            let mut request = get("/fields").field("x-other", "1");
            for name in names {
                request = request.field(name, format!(":{RFC_9440}:")).field(name, "again");
            }
            peer.map(|peer| request.extensions_mut().insert(Peer(peer.parse().unwrap())));

            let answer = send(&app, request).await;

            // RFC 8705 §6.5: fields with certificates are removed from every request
            // RFC 9440 §4: no request behind the layer has a field that a client has made up
            let left = [&["x-other"], &names[removed..]].concat();
            let mut seen: Vec<_> = answer.body.split(' ').collect();
            seen.sort_unstable();
            let mut expected = left;
            expected.sort_unstable();
            assert_eq!(seen, expected);
        }
    }
}

#[tokio::test]
async fn certificate_of_the_hop_itself_is_never_that_of_its_client() {
    for layer in [from_hop(), from_hop().with_connection(find)] {
        let app = app(checked()).layer(layer);
        let hop = Sent {
            peer: Some(HOP),
            connection: Some(RFC_9440),
            extension: Some(RFC_9440),
            ..Sent::default()
        };

        // The hop has the certificate of the token, and its client has none, another, or one that cannot be read.
        has_none(&ask(&app, hop).await);
        has_another(&ask(&app, Sent { field: Some(RFC_8705), ..hop }).await);
        has_none(&ask(&app, Sent { field: Some("x"), ..hop }).await);
        // And the other way round.
        let hop = Sent { connection: Some(RFC_8705), extension: Some(RFC_8705), ..hop };
        ask(&app, Sent { field: Some(RFC_9440), ..hop }).await.is_ok("alice");
    }
}

#[tokio::test]
async fn certificate_of_the_hop_itself_is_not_that_of_its_client_in_an_inner_or_outer_layer() {
    let from_connection = || ClientCertificateLayer::from_connection(find);
    let hop = Sent {
        peer: Some(HOP),
        connection: Some(RFC_9440),
        extension: Some(RFC_9440),
        ..Sent::default()
    };
    let direct = Sent { peer: Some(STRANGER), ..hop };
    let outer_hop = app(checked()).layer(from_connection()).layer(from_hop());
    let outer_connection = app(checked()).layer(from_hop()).layer(from_connection());

    for app in [&outer_hop, &outer_connection] {
        has_none(&ask(app, hop).await);
        has_none(&ask(app, Sent { field: Some("x"), ..hop }).await);
        ask(app, direct).await.is_ok("alice");
        has_another(&ask(app, Sent { connection: Some(RFC_8705), ..direct }).await);
        let fields = ask(app, Sent { field: Some(RFC_9440), path: Some("/fields"), ..hop }).await;
        assert_eq!(fields.body, "authorization");
    }
    // The outer layer has read the field of the hop, and the decision stays.
    has_another(&ask(&outer_hop, Sent { field: Some(RFC_8705), ..hop }).await);
    let other = Sent { connection: Some(RFC_8705), extension: Some(RFC_8705), ..hop };
    ask(&outer_hop, Sent { field: Some(RFC_9440), ..other }).await.is_ok("alice");
    // The outer layer has removed the field.
    has_none(&ask(&outer_connection, Sent { field: Some(RFC_9440), ..hop }).await);
}

#[tokio::test]
async fn answer_that_a_field_has_selected_varies_by_it_beside_the_fields_of_the_application() {
    let app = |field: CertificateField| {
        let accept = async |mut response: Response| {
            response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
            response
        };
        let app = Router::new().route("/", on_get(async || "hello"));
        let app = app.layer(axum::middleware::map_response(accept)).layer(checked());
        app.layer(ClientCertificateLayer::from_hop(field, hops()).with_connection(find))
    };
    let nginx = HeaderName::from_static("x-ssl-cert");
    let client_cert = app(CertificateField::client_cert());
    let escaped_pem = app(CertificateField::escaped_pem(nginx).unwrap());
    let vary = |answer: &Answer| {
        let fields = answer.headers.get_all(VARY).iter();
        fields.map(|field| field.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let hop = Sent { peer: Some(HOP), ..Sent::default() };
    let direct = Sent { peer: Some(STRANGER), connection: Some(RFC_9440), ..Sent::default() };

    let accepted = ask(&client_cert, Sent { field: Some(RFC_9440), ..hop }).await;
    let another = ask(&client_cert, Sent { field: Some(RFC_8705), ..hop }).await;
    let none = ask(&client_cert, hop).await;
    let other_field = ask(&escaped_pem, hop).await;
    let of_connection = ask(&client_cert, direct).await;
    let mut unbound = get("/").bearer(good());
    unbound.extensions_mut().insert(Peer(HOP.parse().unwrap()));
    let unbound = send(&client_cert, unbound).await;

    // RFC 9440 §2.4: an answer that was selected by a field has Vary with its name
    assert_eq!(vary(&accepted), ["accept", "client-cert"]);
    assert_eq!(vary(&another), ["client-cert"]);
    assert_eq!(vary(&none), ["client-cert"]);
    assert_eq!(vary(&other_field), ["x-ssl-cert"]);
    for by_no_field in [&of_connection, &unbound] {
        assert_eq!(vary(by_no_field), ["accept"]);
        by_no_field.is_ok("hello");
    }
    accepted.is_ok("hello");
    has_another(&another);
    has_none(&none);
    has_none(&other_field);
}

#[tokio::test]
async fn certificate_of_the_connection_counts_for_clients_that_come_without_a_hop() {
    let app = app(checked()).layer(from_hop().with_connection(find));
    let direct = Sent { peer: Some(STRANGER), connection: Some(RFC_9440), ..Sent::default() };

    ask(&app, direct).await.is_ok("alice");
    ask(&app, Sent { field: Some(RFC_8705), ..direct }).await.is_ok("alice");
    has_another(&ask(&app, Sent { connection: Some(RFC_8705), ..direct }).await);
    let made_up = Sent { connection: Some(RFC_8705), field: Some(RFC_9440), ..direct };
    has_another(&ask(&app, made_up).await);
    has_none(&ask(&app, Sent { connection: None, field: Some(RFC_9440), ..direct }).await);
}

#[tokio::test]
async fn extension_that_is_not_of_the_connection_is_replaced_or_removed() {
    let app = app(checked()).layer(ClientCertificateLayer::from_connection(find));
    let own = Sent { connection: Some(RFC_9440), extension: Some(RFC_8705), ..Sent::default() };

    ask(&app, own).await.is_ok("alice");
    has_none(&ask(&app, Sent { connection: None, extension: Some(RFC_9440), ..own }).await);
}

#[tokio::test]
async fn extension_of_the_server_stays_where_only_hops_are_configured() {
    let app = app(checked()).layer(from_hop());
    let direct = Sent { peer: Some(STRANGER), extension: Some(RFC_9440), ..Sent::default() };

    ask(&app, direct).await.is_ok("alice");
    has_another(&ask(&app, Sent { extension: Some(RFC_8705), ..direct }).await);
}

#[tokio::test]
async fn each_of_two_hops_has_its_own_field() {
    let of = |network: &str| {
        TrustedHops::new([network], |extensions| extensions.get::<Peer>().map(|peer| peer.0))
            .unwrap()
    };
    let layer = ClientCertificateLayer::from_hop(CertificateField::xfcc(), of("192.0.2.1"))
        .with_hop(CertificateField::client_cert(), of("192.0.2.2"));
    let app = app(checked()).layer(layer);
    let own = Sent { field: Some(RFC_9440), ..Sent::default() };

    ask(&app, Sent { peer: Some("192.0.2.2"), ..own }).await.is_ok("alice");
    has_none(&ask(&app, Sent { peer: Some("192.0.2.1"), ..own }).await);
    has_none(&ask(&app, Sent { peer: Some("192.0.2.3"), ..own }).await);
}

#[tokio::test]
async fn every_peer_of_a_unix_socket_can_be_trusted_by_a_dangerous_name() {
    let hops = TrustedHops::dangerously_trust_every_peer();
    let layer = ClientCertificateLayer::from_hop(CertificateField::client_cert(), hops);
    let app = app(checked()).layer(layer);

    ask(&app, Sent { field: Some(RFC_9440), ..Sent::default() }).await.is_ok("alice");
    has_another(&ask(&app, Sent { field: Some(RFC_8705), ..Sent::default() }).await);
}

#[tokio::test(start_paused = true)]
async fn field_of_a_hop_that_cannot_be_read_is_loud_once_a_minute_and_that_of_a_client_never() {
    let (log, _guard) = Log::of_this_thread();
    let app = app(checked()).layer(from_hop());
    let loud = |log: &Log| {
        let told = log.about("a trusted hop has sent");
        told.into_iter().filter(|(level, _)| *level == Level::WARN).collect::<Vec<_>>()
    };
    let broken = Sent { field: Some("secret"), ..Sent::default() };

    for _ in 0..1000 {
        has_none(&ask(&app, Sent { peer: Some(STRANGER), ..broken }).await);
        has_none(&ask(&app, Sent { peer: Some(HOP), field: None, ..broken }).await);
    }
    assert!(log.about("a trusted hop has sent").is_empty());
    for _ in 0..1000 {
        has_none(&ask(&app, Sent { peer: Some(HOP), ..broken }).await);
    }
    assert_eq!(loud(&log).len(), 1);
    advance(Duration::from_secs(60)).await;
    has_none(&ask(&app, Sent { peer: Some(HOP), ..broken }).await);

    let loud = loud(&log);
    assert_eq!(loud.len(), 2);
    assert!(loud[1].1.contains("suppressed=999 ") && loud[1].1.contains("client-cert"), "{loud:?}");
    assert!(!format!("{:?}", log.events()).contains("secret"));
}
