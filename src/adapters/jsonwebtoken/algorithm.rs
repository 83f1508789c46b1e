use jsonwebtoken::Algorithm as Theirs;
use jsonwebtoken::errors::{Error, ErrorKind};

use crate::jose::{Algorithm, ParseAlgorithmError};

impl TryFrom<Theirs> for Algorithm {
    type Error = ParseAlgorithmError;

    /// Converts an algorithm of jsonwebtoken. Fails for one that a later version of it may add.
    fn try_from(theirs: Theirs) -> Result<Self, ParseAlgorithmError> {
        let pair = BOTH.into_iter().find(|(_, other)| *other == theirs);
        pair.map(|(ours, _)| ours).ok_or(ParseAlgorithmError(()))
    }
}

impl TryFrom<Algorithm> for Theirs {
    type Error = Error;

    /// Converts to an algorithm of jsonwebtoken, which does not know ES512 and Ed25519 (its name is `EdDSA` there,
    /// which is another word in `alg`).
    fn try_from(ours: Algorithm) -> Result<Self, Error> {
        let pair = BOTH.into_iter().find(|(other, _)| *other == ours);
        pair.map(|(_, theirs)| theirs).ok_or_else(|| ErrorKind::UnsupportedAlgorithm.into())
    }
}

const BOTH: [(Algorithm, Theirs); 12] = [
    (Algorithm::HS256, Theirs::HS256),
    (Algorithm::HS384, Theirs::HS384),
    (Algorithm::HS512, Theirs::HS512),
    (Algorithm::RS256, Theirs::RS256),
    (Algorithm::RS384, Theirs::RS384),
    (Algorithm::RS512, Theirs::RS512),
    (Algorithm::PS256, Theirs::PS256),
    (Algorithm::PS384, Theirs::PS384),
    (Algorithm::PS512, Theirs::PS512),
    (Algorithm::ES256, Theirs::ES256),
    (Algorithm::ES384, Theirs::ES384),
    (Algorithm::EdDSA, Theirs::EdDSA),
];
