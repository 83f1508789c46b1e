/// Holds the switches that make a `T` accept more than it should. Methods named `dangerous` return
/// it.
///
/// Each switch returns the `T`. A second switch therefore needs a second `dangerous()`, and a
/// search for that word finds every use. Constructors that are dangerous begin with `dangerously_`.
///
/// ```
/// use tower_bearer::Validation;
///
/// // A gateway in front has checked the proof of possession already.
/// let validation = Validation::new("https://id.example.com", "https://api.example.com")
///     .dangerous()
///     .accept_bound_tokens();
/// ```
#[derive(Clone, Debug)]
#[must_use = "without a switch nothing changes"]
pub struct Dangerous<T>(pub(crate) T);
