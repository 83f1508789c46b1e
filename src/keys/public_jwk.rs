use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::jose::Algorithm;
use crate::jose::crypto::Material;

/// A public key as a JWK.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PublicJwk {
    #[serde(flatten)]
    parameters: Parameters,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    alg: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
}

// The order of members is that of RFC 7638 §3.2, because the thumbprint is a hash of this text.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Parameters {
    Rsa { e: String, kty: &'static str, n: String },
    Ec { crv: &'static str, kty: &'static str, x: String, y: String },
    Okp { crv: &'static str, kty: &'static str, x: String },
}

impl PublicJwk {
    /// Returns the JWK of a key. `None` for a secret, which has no public part.
    pub(crate) fn new(
        material: &Material,
        algorithm: Algorithm,
        key_id: Option<String>,
    ) -> Option<Self> {
        let parameters = Parameters::of(material)?;
        Some(Self { parameters, kid: key_id, alg: algorithm.as_str(), usage: "sig" })
    }
}

/// Returns the members of a public key, and no others. `None` for a secret.
#[cfg(feature = "dpop")]
pub(super) fn bare(material: &Material) -> Option<serde_json::Value> {
    serde_json::to_value(Parameters::of(material)?).ok()
}

/// The thumbprint of a public key (RFC 7638), in base64url. `None` for a secret.
#[cfg(feature = "issue")]
pub(super) fn thumbprint(material: &Material) -> Option<String> {
    let hash = crate::jose::crypto::sha256(&thumbprint_input(material)?)?;
    Some(URL_SAFE_NO_PAD.encode(hash))
}

#[cfg(feature = "issue")]
fn thumbprint_input(material: &Material) -> Option<Vec<u8>> {
    let parameters = Parameters::of(material)?;
    Some(serde_json::to_vec(&parameters).expect("strings serialise"))
}

impl Parameters {
    fn of(material: &Material) -> Option<Self> {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match material {
            Material::Secret(_) => None,
            Material::Rsa { modulus, exponent } => {
                Some(Self::Rsa { e: encode(exponent), kty: "RSA", n: encode(modulus) })
            }
            Material::Ec { curve, x, y } => {
                Some(Self::Ec { crv: curve.name(), kty: "EC", x: encode(x), y: encode(y) })
            }
            Material::Ed25519(x) => Some(Self::Okp { crv: "Ed25519", kty: "OKP", x: encode(x) }),
        }
    }
}

#[cfg(all(test, feature = "issue"))]
mod tests {
    use super::*;

    #[test]
    fn thumbprint_input_is_that_of_the_rfcs_example() {
        // RFC 8037 §A.3: the thumbprint of an Ed25519 key
        let x = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let material = Material::ed25519(&x).unwrap();

        assert_eq!(
            thumbprint_input(&material).unwrap(),
            br#"{"crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#
        );
    }
}
