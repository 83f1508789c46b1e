use std::fmt;

use super::{ContentEncryption, KeyManagement, decoded};
use crate::error::{AuthError, Reason};
use crate::jose::MAX_KEY_ID;
use crate::jose::crypto::{AgreementCurve, Material};
use crate::jose::json::{JsonError, Scanner, VALUE_DEPTH, read_members};

/// The header of an encrypted token (RFC 7516 §4), as far as it is read. It chooses among keys that are there already.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EncryptionHeader {
    pub(crate) algorithm: KeyManagement,
    pub(crate) encryption: ContentEncryption,
    pub(crate) key_id: Option<Box<str>>,
    /// `epk`: the sender's key of this token (RFC 7518 §4.6.1.1).
    pub(crate) ephemeral: Option<EphemeralKey>,
    /// `apu` and `apv` (RFC 7518 §4.6.1.2), empty by default.
    pub(super) producer: Vec<u8>,
    pub(super) recipient: Vec<u8>,
    /// `iv` and `tag` of the encrypted key (RFC 7518 §4.7.1), empty by default.
    pub(super) key_iv: Vec<u8>,
    pub(super) key_tag: Vec<u8>,
    /// `cty`: the kind of the content.
    pub(crate) content_type: Option<Box<str>>,
    pub(crate) copies: ClaimCopies,
}

/// The claims that the header repeats (RFC 7519 §5.3), each as it was written: `iss`, `sub` and `aud`.
#[derive(Default, PartialEq, Eq)]
pub(crate) struct ClaimCopies {
    pub(crate) issuer: Option<Box<str>>,
    pub(crate) subject: Option<Box<str>>,
    pub(crate) audience: Option<Box<str>>,
}

// Claims are personal data.
impl fmt::Debug for ClaimCopies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimCopies").finish_non_exhaustive()
    }
}

/// A public key on a curve, in the form that back ends read: an uncompressed point, or the 32 bytes of X25519.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EphemeralKey {
    pub(crate) curve: AgreementCurve,
    pub(super) point: Vec<u8>,
}

impl EncryptionHeader {
    /// Parses the decoded first segment of a token.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, AuthError> {
        // RFC 7516 §5.2: UTF-8 throughout, also in members that are not read.
        let text = str::from_utf8(bytes).map_err(|_| malformed("the header is not UTF-8"))?;
        let fields = Fields::read(text)
            .map_err(|_| malformed("the header is not an object as RFC 7516 describes it"))?;
        fields.into_header()
    }
}

/// The members that matter, before they are checked, so that the reason of a refusal does not depend on their order.
#[derive(Default)]
struct Fields {
    algorithm: Option<String>,
    encryption: Option<String>,
    key_id: Option<Box<str>>,
    ephemeral: Option<PublicKey>,
    /// `apu`, `apv`, `iv`, `tag`.
    binary: [Option<String>; 4],
    content_type: Option<Box<str>>,
    copies: ClaimCopies,
    critical: bool,
    compressed: bool,
}

/// The members of `epk` that matter.
#[derive(Default)]
struct PublicKey {
    kty: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Fields {
    fn read(text: &str) -> Result<Self, JsonError> {
        let mut fields = Self::default();
        let mut scanner = Scanner::new(text);
        read_members(&mut scanner, MAX_MEMBERS, |name, scanner| {
            let binary = BINARY.iter().position(|binary| *binary == name);
            match (name, binary) {
                (_, Some(place)) => fields.binary[place] = Some(scanner.text()?.into_owned()),
                ("alg", _) => fields.algorithm = Some(scanner.text()?.into_owned()),
                ("enc", _) => fields.encryption = Some(scanner.text()?.into_owned()),
                ("kid", _) => fields.key_id = Some(scanner.text()?.into()),
                ("epk", _) => fields.ephemeral = Some(PublicKey::read(scanner)?),
                ("typ", _) => drop(scanner.text()?),
                ("cty", _) => fields.content_type = Some(scanner.text()?.into()),
                ("iss", _) => fields.copies.issuer = Some(scanner.skip(VALUE_DEPTH)?.into()),
                ("sub", _) => fields.copies.subject = Some(scanner.skip(VALUE_DEPTH)?.into()),
                ("aud", _) => fields.copies.audience = Some(scanner.skip(VALUE_DEPTH)?.into()),
                ("crit", _) => {
                    scanner.skip(VALUE_DEPTH)?;
                    fields.critical = true;
                }
                ("zip", _) => {
                    scanner.skip(VALUE_DEPTH)?;
                    fields.compressed = true;
                }
                _ => _ = scanner.skip(VALUE_DEPTH)?,
            }
            Ok(())
        })?;
        scanner.finish()?;
        Ok(fields)
    }

    fn into_header(self) -> Result<EncryptionHeader, AuthError> {
        // RFC 7516 §4.1.13: an extension that is not understood makes the whole JWE invalid.
        if self.critical {
            return Err(AuthError::with_detail(Reason::CriticalHeader, "the header has `crit`"));
        }
        // RFC 8725 §3.6: compressed content reveals its length, and may be many times as long as the token.
        if self.compressed {
            return Err(malformed("the content is compressed (`zip`)"));
        }
        let algorithm = self.algorithm.ok_or_else(|| malformed("the header has no `alg`"))?;
        let encryption = self.encryption.ok_or_else(|| malformed("the header has no `enc`"))?;
        if self.key_id.as_ref().is_some_and(|kid| kid.len() > MAX_KEY_ID) {
            return Err(malformed("`kid` is too long"));
        }
        let bytes = |text: Option<String>| decoded(text.as_deref().unwrap_or_default());
        let wrong = || malformed("`apu`, `apv`, `iv` or `tag` is not base64url without padding");
        let [producer, recipient, key_iv, key_tag] = self.binary.map(bytes);
        Ok(EncryptionHeader {
            algorithm: algorithm.parse().map_err(|_| Reason::UnsupportedAlgorithm)?,
            encryption: encryption.parse().map_err(|_| Reason::UnsupportedAlgorithm)?,
            key_id: self.key_id,
            ephemeral: self.ephemeral.map(PublicKey::into_key).transpose()?,
            producer: producer.ok_or_else(wrong)?,
            recipient: recipient.ok_or_else(wrong)?,
            key_iv: key_iv.ok_or_else(wrong)?,
            key_tag: key_tag.ok_or_else(wrong)?,
            content_type: self.content_type,
            copies: self.copies,
        })
    }
}

impl PublicKey {
    fn read(scanner: &mut Scanner<'_>) -> Result<Self, JsonError> {
        let mut key = Self::default();
        read_members(scanner, MAX_MEMBERS, |name, scanner| {
            match name {
                "kty" => key.kty = Some(scanner.text()?.into_owned()),
                "crv" => key.crv = Some(scanner.text()?.into_owned()),
                "x" => key.x = Some(scanner.text()?.into_owned()),
                "y" => key.y = Some(scanner.text()?.into_owned()),
                _ => _ = scanner.skip(VALUE_DEPTH - 1)?,
            }
            Ok(())
        })?;
        Ok(key)
    }

    fn into_key(self) -> Result<EphemeralKey, AuthError> {
        self.key().ok_or_else(|| malformed("`epk` is no public key on a supported curve"))
    }

    fn key(&self) -> Option<EphemeralKey> {
        let curve = AgreementCurve::from_name(self.crv.as_deref()?)?;
        let coordinate = |text: &Option<String>| {
            decoded(text.as_deref()?).filter(|number| number.len() == curve.field_bytes())
        };
        let x = coordinate(&self.x)?;
        let point = match (curve, self.kty.as_deref()?) {
            (AgreementCurve::Ec(_), "EC") => Material::uncompressed(&x, &coordinate(&self.y)?),
            (AgreementCurve::X25519, "OKP") if self.y.is_none() => x,
            _ => return None,
        };
        Some(EphemeralKey { curve, point })
    }
}

fn malformed(detail: &'static str) -> AuthError {
    AuthError::with_detail(Reason::Malformed, detail)
}

const BINARY: [&str; 4] = ["apu", "apv", "iv", "tag"];
/// The limit on the members of an unauthenticated object.
const MAX_MEMBERS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(header: &str) -> Reason {
        EncryptionHeader::parse(header.as_bytes()).unwrap_err().reason()
    }

    #[test]
    fn header_with_the_usual_members_is_read() {
        let header = br#"{"alg":"A128KW","enc":"A128GCM","kid":"k1","cty":"JWT","x5c":["x"]}"#;

        let header = EncryptionHeader::parse(header).unwrap();

        assert_eq!(header.algorithm, KeyManagement::A128KW);
        assert_eq!(header.encryption, ContentEncryption::A128GCM);
        assert_eq!(header.key_id.as_deref(), Some("k1"));
    }

    #[test]
    fn header_that_is_not_one_object_of_unique_members_is_malformed() {
        // RFC 7516 §4: header parameter names are unique
        for header in [
            "",
            "[]",
            r#"{"alg":"dir","enc":"A128GCM"}x"#,
            r#"{"alg":"dir","enc":"A128GCM","enc":"A128GCM"}"#,
            r#"{"alg":"dir","enc":"A128GCM","x":1,"\u0078":1}"#,
            r#"{"alg":"dir"}"#,
            r#"{"enc":"A128GCM"}"#,
            r#"{"alg":"dir","enc":1}"#,
            r#"{"alg":"dir","enc":"A128GCM","kid":1}"#,
            r#"{"alg":"dir","enc":"A128GCM","typ":["JWT"]}"#,
            r#"{"alg":"dir","enc":"A128GCM","epk":1}"#,
            r#"{"alg":"dir","enc":"A128GCM","epk":{"kty":"EC","kty":"EC"}}"#,
            r#"{"alg":"dir","enc":"A128GCM","apu":"="}"#,
            r#"{"alg":"dir","enc":"A128GCM","zip":"DEF"}"#,
        ] {
            assert_eq!(reason(header), Reason::Malformed, "{header}");
        }
        assert!(EncryptionHeader::parse(br#"{"alg":"dir","enc":"A128GCM"} "#).is_ok());
    }

    #[test]
    fn header_of_32_members_and_a_key_id_of_256_bytes_are_read_and_no_more() {
        let header = |members: usize, key_id: usize| {
            let mut all =
                vec![format!(r#""alg":"dir","enc":"A128GCM","kid":"{}""#, "k".repeat(key_id))];
            all.extend((3..members).map(|i| format!("\"x{i}\":1")));
            format!("{{{}}}", all.join(","))
        };

        assert!(EncryptionHeader::parse(header(32, 256).as_bytes()).is_ok());
        assert_eq!(reason(&header(33, 256)), Reason::Malformed);
        assert_eq!(reason(&header(32, 257)), Reason::Malformed);
    }

    #[test]
    fn crit_in_any_form_is_refused() {
        // RFC 7516 §4.1.13: extensions that are not understood
        for crit in [r#"["exp"]"#, "[]", "null"] {
            let header = format!(r#"{{"alg":"dir","enc":"A128GCM","crit":{crit}}}"#);
            assert_eq!(reason(&header), Reason::CriticalHeader, "{crit}");
        }
    }

    #[test]
    fn ephemeral_key_has_the_form_of_its_curve() {
        let header = |key: &str| format!(r#"{{"alg":"ECDH-ES","enc":"A128GCM","epk":{key}}}"#);
        let number = |bytes: usize| "A".repeat((bytes * 4).div_ceil(3));
        let (n31, n32, n48) = (number(31), number(32), number(48));
        let good = [
            format!(r#"{{"kty":"EC","crv":"P-256","x":"{n32}","y":"{n32}"}}"#),
            format!(r#"{{"kty":"EC","crv":"P-384","x":"{n48}","y":"{n48}"}}"#),
            format!(r#"{{"kty":"OKP","crv":"X25519","x":"{n32}"}}"#),
        ];
        let bad = [
            format!(r#"{{"kty":"EC","crv":"P-256","x":"{n31}","y":"{n32}"}}"#),
            format!(r#"{{"kty":"EC","crv":"P-256","x":"{n32}"}}"#),
            format!(r#"{{"kty":"OKP","crv":"P-256","x":"{n32}","y":"{n32}"}}"#),
            format!(r#"{{"kty":"EC","crv":"X25519","x":"{n32}"}}"#),
            format!(r#"{{"kty":"OKP","crv":"X25519","x":"{n32}","y":"{n32}"}}"#),
            format!(r#"{{"kty":"EC","crv":"secp256k1","x":"{n32}","y":"{n32}"}}"#),
            format!(r#"{{"crv":"P-256","x":"{n32}","y":"{n32}"}}"#),
        ];

        for key in good {
            assert!(EncryptionHeader::parse(header(&key).as_bytes()).is_ok(), "{key}");
        }
        for key in bad {
            assert_eq!(reason(&header(&key)), Reason::Malformed, "{key}");
        }
    }
}
