use std::error::Error;
use std::fmt;
use std::time::Duration;

macro_rules! unavailable {
    ($(#[$doc:meta])* $name:ident: $display:literal) => {
        $(#[$doc])*
        pub struct $name {
            pub(super) retry_after: Duration,
            #[allow(dead_code, reason = "nobody reports that clients are away, but for the request")]
            pub(super) reported: bool,
            pub(super) source: Option<Box<dyn Error + Send + Sync>>,
        }

        impl $name {
            /// For a reason the log will name.
            pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
                Self {
                    retry_after: Duration::from_secs(5),
                    reported: false,
                    source: Some(source.into()),
                }
            }

            /// Sets what `Retry-After` says, rounded up to seconds. The default is 5 seconds.
            #[must_use]
            pub fn with_retry_after(mut self, retry_after: Duration) -> Self {
                self.retry_after = retry_after;
                self
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
    /// The keys of a [`KeySource`](crate::keys::KeySource) cannot be had right now.
    ///
    /// A request that needs them is answered 503 with `Retry-After`: it is neither the client's nor the
    /// token's fault.
    KeysUnavailable: "the keys cannot be had"
}

unavailable! {
    /// A view of [`Revocations`](crate::revocation::Revocations) may lack some right now, or one could not be
    /// written down.
    ///
    /// A request whose token the view does not know as revoked is answered 503 with `Retry-After`.
    RevocationsUnavailable: "the revocations are not at hand"
}

#[cfg(feature = "endpoints")]
unavailable! {
    /// Whether a client is who it says cannot be told right now; see [`Clients`](crate::endpoints::Clients).
    ///
    /// Its request is answered 503 with `Retry-After`.
    ClientsUnavailable: "the clients are not at hand"
}

#[cfg(feature = "endpoints")]
impl ClientsUnavailable {
    pub(crate) fn retry_after(&self) -> Duration {
        self.retry_after
    }
}

#[cfg(feature = "redis")]
impl RevocationsUnavailable {
    /// What the log has heard already, and need not hear again for each request.
    pub(crate) fn reported(mut self) -> Self {
        self.reported = true;
        self
    }
}

#[cfg(feature = "refresh")]
impl KeysUnavailable {
    /// The error that is behind this one, which says no more.
    pub(crate) fn into_source(self) -> Box<dyn Error + Send + Sync> {
        self.source.unwrap_or_else(|| "the keys cannot be had".into())
    }

    /// What the log has heard already, and need not hear again for each request.
    pub(crate) fn reported(mut self) -> Self {
        self.reported = true;
        self
    }
}
