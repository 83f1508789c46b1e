/// Gives back what `poll_ready` has reserved in a service (a permit, a place in a queue) for a call that
/// is not made. Callers may keep the service, and with it the place of another request.
///
/// A clone has reserved nothing: see "be careful when cloning inner services" in the documentation of
/// [`Service`](tower_service::Service).
#[cold]
pub(super) fn release<S: Clone>(service: &mut S) {
    let fresh = service.clone();
    *service = fresh;
}
