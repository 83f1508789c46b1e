/// The kind of name by which tokens are revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RevocationKind {
    /// One token, by `jti`.
    Token,
    /// All tokens of a session, by `sid`.
    Session,
    /// All tokens of a subject that were issued up to a moment, by `sub` and `iat`.
    Subject,
    /// All tokens of a client that were issued up to a moment, by `client_id` and `iat`.
    Client,
}

impl RevocationKind {
    /// Returns the kind as a stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Session => "session",
            Self::Subject => "subject",
            Self::Client => "client",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The kinds of revocation that must be possible for every token.
///
/// A token that lacks a claim needed to revoke it is refused, unless
/// [`accept_unrevocable_tokens`](crate::Dangerous::accept_unrevocable_tokens) says otherwise:
///
/// | kind | claims |
/// |---|---|
/// | [`Token`](RevocationKind::Token) | `jti` |
/// | [`Session`](RevocationKind::Session) | `sid` |
/// | [`Subject`](RevocationKind::Subject) | `iat`; a token without `sub` has no subject to revoke |
/// | [`Client`](RevocationKind::Client) | `iat`, and `client_id` or a claim in its place |
///
/// Collected from an iterator of kinds. The default is `Token` and `Subject`, also for an empty
/// iterator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RevocationKinds(u8);

impl RevocationKinds {
    /// Returns whether the kind is among them.
    pub const fn contains(self, kind: RevocationKind) -> bool {
        self.0 & kind.bit() != 0
    }

    /// Returns these kinds, if there are any.
    pub(super) fn of(kinds: impl IntoIterator<Item = RevocationKind>) -> Option<Self> {
        let bits = kinds.into_iter().fold(0, |bits, kind| bits | kind.bit());
        (bits != 0).then_some(Self(bits))
    }

    pub(super) const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }
}

impl Default for RevocationKinds {
    fn default() -> Self {
        Self(RevocationKind::Token.bit() | RevocationKind::Subject.bit())
    }
}

impl FromIterator<RevocationKind> for RevocationKinds {
    fn from_iter<I: IntoIterator<Item = RevocationKind>>(kinds: I) -> Self {
        Self::of(kinds).unwrap_or_default()
    }
}
