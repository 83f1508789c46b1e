//! Creates the bodies of refusals.
//!
//! `EmptyBody` is a trait of the crate's own instead of `Default`, and `render::from_fn` exists
//! instead of closures as renderers, for the messages of the compiler: `#[diagnostic::on_unimplemented]` works on
//! own traits only, and where closures are renderers, the compiler takes `axum::Json` for a closure with too few
//! parameters. `outside/mistakes` reads these messages.

/// Creates an empty body, for answers to `HEAD` and for guards. Every body with `Default`
/// implements it.
#[diagnostic::on_unimplemented(
    message = "requests cannot be refused with a body of type `{Self}`, since it cannot be made",
    label = "`{Self}` has no `Default`",
    note = "put `tower_bearer::render::any_body()` between the layer and the service that has this body; in a \
            `ServiceBuilder`: `.layer(bearer).layer(any_body())`"
)]
pub trait EmptyBody: Sized {
    /// Returns an empty body.
    fn empty() -> Self;
}

#[diagnostic::do_not_recommend]
impl<B: Default> EmptyBody for B {
    fn empty() -> Self {
        B::default()
    }
}
