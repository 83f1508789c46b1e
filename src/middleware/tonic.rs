//! Converts refusals into tonic's own statuses, for services that refuse a request themselves.
//!
//! The layer does not use it: [`render::Grpc`](crate::render::Grpc) answers for the layer.

use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use crate::middleware::reject::{Rejection, grpc_code, grpc_details};

/// Converts a rejection into the status that [`render::Grpc`](crate::render::Grpc) answers with,
/// challenge and details included. The refusal is logged.
///
/// ```
/// use tonic::{Request, Response, Status};
/// use tower_bearer::Principal;
/// use tower_bearer::policy::role;
///
/// async fn close(request: Request<()>) -> Result<Response<String>, Status> {
///     let principal = Principal::from_extensions(request.extensions())?;
///     principal.check(role("cashier"))?;
///     Ok(Response::new("closed".to_owned()))
/// }
/// ```
impl From<Rejection> for Status {
    fn from(rejection: Rejection) -> Self {
        let code = Code::from_i32(grpc_code(rejection.reason().class()).into());
        let details = grpc_details(&rejection);
        let message = rejection.description();
        let headers = rejection.into_headers();
        Self::with_details_and_metadata(
            code,
            message,
            details.into(),
            MetadataMap::from_headers(headers),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::error::{AuthError, KeysUnavailable, Reason};

    fn status(error: impl Into<AuthError>) -> Status {
        Status::from(Rejection::new(error.into(), Arc::default()))
    }

    #[test]
    fn status_of_each_class_is_the_one_that_servers_of_grpc_use() {
        for (reason, code) in [
            (Reason::MissingToken, Code::Unauthenticated),
            (Reason::MalformedAuthorization, Code::Unauthenticated),
            (Reason::Expired, Code::Unauthenticated),
            (Reason::Forbidden, Code::PermissionDenied),
            (Reason::RevocationsUnavailable, Code::Unavailable),
            (Reason::LayerMissing, Code::Internal),
        ] {
            assert_eq!(status(reason).code(), code, "{reason}");
        }
    }

    #[test]
    fn message_is_the_description_and_challenge_stays_as_metadata() {
        let status = status(Reason::Expired);

        assert_eq!(status.message(), "The token has expired");
        let challenge = status.metadata().get("www-authenticate").unwrap().to_str().unwrap();
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    }

    #[test]
    fn time_to_wait_stays_as_metadata() {
        let status = status(KeysUnavailable::new("nobody answers"));

        assert_eq!(status.metadata().get("retry-after").unwrap(), "5");
    }
}
