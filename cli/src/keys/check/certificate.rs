use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tower_bearer::KeySet;
use x509_cert::Certificate;

use super::super::encode;
use super::finding::Report;
use crate::dates;

/// Checks the certificates of a key (`x5c`, RFC 7517 §4.7). The first one must hold the key with this thumbprint.
pub(super) fn check_chain(
    chain: &Value,
    thumbprint: Option<&str>,
    place: &str,
    report: &mut Report,
) {
    let unreadable = |report: &mut Report| {
        report.error(
            "x5c_unreadable",
            place,
            "`x5c` is not a list of certificates in base64, so some verifiers refuse the whole key.",
            "Write each certificate as its DER in base64 with `+`, `/` and padding, or leave `x5c` out.",
        );
    };
    let Some(chain) = chain.as_array().filter(|chain| !chain.is_empty()) else {
        return unreadable(report);
    };
    for (index, entry) in chain.iter().enumerate() {
        let der = entry.as_str().and_then(|text| STANDARD.decode(text).ok());
        let certificate = der.as_deref().and_then(encode::certificate);
        let Some(certificate) = certificate else { return unreadable(report) };
        check_dates(&certificate, &format!("{place}, x5c[{index}]"), report);
        if index == 0
            && thumbprint.is_some()
            && thumbprint_of(&certificate).as_deref() != thumbprint
        {
            report.error(
                "x5c_other_key",
                place,
                "The first certificate in `x5c` holds another key than the JWK, so verifiers that read \
                 certificates refuse its tokens.",
                "Put the certificate of this very key first, or leave `x5c` out.",
            );
        }
    }
}

/// Checks when a certificate begins and ends.
pub(super) fn check_dates(certificate: &Certificate, place: &str, report: &mut Report) {
    let validity = certificate.tbs_certificate().validity();
    let seconds = |time: x509_cert::time::Time| {
        i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
    };
    let (begins, ends, now) =
        (seconds(validity.not_before), seconds(validity.not_after), dates::now());
    let date =
        |seconds| format!("{} ({})", dates::absolute(seconds), dates::relative(seconds, now));
    if ends < now {
        report.warning(
            "certificate_expired",
            place,
            format!("The certificate has expired: {}. Verifiers that check certificates refuse the key.", date(ends)),
            "Renew the certificate, or leave it out if the verifiers need the key alone.",
        );
    } else if ends - now < SOON {
        report.warning(
            "certificate_expires_soon",
            place,
            format!("The certificate expires soon: {}.", date(ends)),
            "Renew the certificate before then.",
        );
    } else if begins > now {
        report.warning(
            "certificate_not_yet_valid",
            place,
            format!("The certificate is not valid yet: it begins {}.", date(begins)),
            "Publish it when it has begun, or check the clock of the machine that made it.",
        );
    }
}

fn thumbprint_of(certificate: &Certificate) -> Option<String> {
    let set = KeySet::from_der(encode::key_of(certificate)?).ok()?;
    set.keys().first()?.thumbprint()
}

/// 30 days.
const SOON: i64 = 30 * 24 * 3600;
