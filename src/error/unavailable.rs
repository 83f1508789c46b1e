use std::error::Error;
use std::fmt;
use std::time::Duration;

macro_rules! unavailable {
    ($(#[$doc:meta])* $name:ident: $display:literal) => {
        $(#[$doc])*
        pub struct $name {
            pub(super) retry_after: Duration,
            #[allow(dead_code, reason = "it is never set for clients")]
            pub(super) reported: bool,
            pub(super) source: Option<Box<dyn Error + Send + Sync>>,
        }

        impl $name {
            /// Creates the error from its cause, which is logged.
            pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
                Self {
                    retry_after: Duration::from_secs(5),
                    reported: false,
                    source: Some(source.into()),
                }
            }

            /// Sets the value of `Retry-After`, rounded up to seconds. The default is 5 seconds.
            #[must_use]
            pub fn with_retry_after(mut self, retry_after: Duration) -> Self {
                self.retry_after = retry_after;
                self
            }

            /// Returns how long a client should wait before it sends the same again.
            pub fn retry_after(&self) -> Duration {
                self.retry_after
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($display)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("retry_after", &self.retry_after)
                    .field("source", &self.source)
                    .finish_non_exhaustive()
            }
        }

        impl Error for $name {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                let source = self.source.as_deref()?;
                Some(source)
            }
        }
    };
}

unavailable! {
    /// The keys of a [`KeySource`](crate::keys::KeySource) are not available now.
    ///
    /// A request that needs them is answered 503 with `Retry-After`, because neither the client nor
    /// the token is at fault.
    KeysUnavailable: "the keys are not available"
}

unavailable! {
    /// A view of [`Revocations`](crate::revocation::Revocations) may be incomplete now, or a
    /// revocation could not be stored.
    ///
    /// A request is answered 503 with `Retry-After` unless the view knows that its token is
    /// revoked.
    RevocationsUnavailable: "the revocations are not available"
}

#[cfg(feature = "endpoints")]
unavailable! {
    /// The identity of a client cannot be checked now; see [`Clients`](crate::endpoints::Clients).
    ///
    /// The request of the client is answered 503 with `Retry-After`.
    ClientsUnavailable: "the clients are not available"
}

#[cfg(feature = "sessions")]
unavailable! {
    /// A [`SessionStore`](crate::session::SessionStore) does not answer, or it is not known whether it has done what
    /// it was told.
    ///
    /// The request is answered 503 with `Retry-After`. The client may send the same again.
    SessionsUnavailable: "the sessions are not available"
}

#[cfg(feature = "dpop")]
unavailable! {
    /// A [`ReplayStore`](crate::dpop::ReplayStore) does not answer, or has no room.
    ///
    /// The request is answered 503 with `Retry-After`.
    ReplaysUnavailable: "the used proofs are not available"
}

#[cfg(feature = "api-keys")]
unavailable! {
    /// An [`ApiKeySource`](crate::api_key::ApiKeySource) does not answer, or it is not known whether it has done what it
    /// was told.
    ///
    /// The request is answered 503 with `Retry-After`. The client may send the same again.
    ApiKeysUnavailable: "the API keys are not available"
}

#[cfg(feature = "redis")]
impl RevocationsUnavailable {
    /// Marks the failure as logged before, so that it is not logged again for each request.
    pub(crate) fn reported(mut self) -> Self {
        self.reported = true;
        self
    }
}

#[cfg(feature = "refresh")]
impl KeysUnavailable {
    /// Returns the cause of this error, which adds nothing to it.
    pub(crate) fn into_source(self) -> Box<dyn Error + Send + Sync> {
        self.source.unwrap_or_else(|| "the keys are not available".into())
    }

    /// Marks the failure as logged before, so that it is not logged again for each request.
    pub(crate) fn reported(mut self) -> Self {
        self.reported = true;
        self
    }
}

#[cfg(feature = "sign-in")]
unavailable! {
    /// The application's table of users does not answer; see [`Accounts`](crate::sign_in::Accounts).
    ///
    /// The request is answered 503 with `Retry-After`.
    AccountsUnavailable: "the accounts are not available"
}
