//! Releases reservations of services that were made ready and are not called.
//!
//! A request that is refused or waits does not use the reservation, and a caller may keep the service for an
//! idle connection. So a clone takes the place of the service that was ready. A request that waits has a clone
//! of its own and makes it ready once it is accepted. Otherwise a stack with few permits waits for itself, and
//! strangers can take all of them.

/// Releases a reservation that `poll_ready` has made in a service (a permit, a place in a queue)
/// for a call that is not made. A caller that keeps the service would otherwise keep the
/// reservation from other requests.
///
/// A clone holds no reservation: see "be careful when cloning inner services" in the documentation
/// of [`Service`](tower_service::Service).
#[cold]
pub(super) fn release<S: Clone>(service: &mut S) {
    let fresh = service.clone();
    *service = fresh;
}
