/// Switches of a `T` that accept more than they should; returned by methods called `dangerous`.
///
/// Each switch returns the `T`, so that a second one is preceded by `dangerous()` again and every use of one is
/// found by a search for that word. Constructors that are dangerous begin with `dangerously_`.
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
