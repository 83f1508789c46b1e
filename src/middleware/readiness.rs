//! Releases the reservation of a call that is not made.
//!
//! A request that is refused or waits does not use the reservation that `poll_ready` has made, and a caller may
//! keep the service for an idle connection. So a clone replaces the service that was ready. A request that
//! waits has a clone of its own, and makes the clone ready once the request is accepted. Otherwise a stack with few
//! permits would wait for itself, and clients without a token could take all of them.

/// Releases a reservation that `poll_ready` has made in a service (a permit, a place in a queue)
/// for a call that is not made.
///
/// A clone holds no reservation: see "be careful when cloning inner services" in the documentation
/// of [`Service`](tower_service::Service).
#[cold]
pub(crate) fn release<S: Clone>(service: &mut S) {
    let fresh = service.clone();
    *service = fresh;
}
