use super::Curve;

/// A curve on which two parties agree on a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AgreementCurve {
    Ec(Curve),
    X25519,
}

impl AgreementCurve {
    /// Returns the name as it stands in `crv`.
    #[cfg_attr(not(feature = "aws-lc-rs"), allow(dead_code, reason = "read by the back end"))]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ec(curve) => curve.name(),
            Self::X25519 => X25519,
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        if name == X25519 { Some(Self::X25519) } else { Curve::from_name(name).map(Self::Ec) }
    }

    /// Returns the length of a coordinate, in bytes.
    pub(crate) const fn field_bytes(self) -> usize {
        match self {
            Self::Ec(curve) => curve.field_bytes(),
            Self::X25519 => 32,
        }
    }
}

const X25519: &str = "X25519";
