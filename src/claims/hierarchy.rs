use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use crate::challenge::is_scope_token;
use crate::config_error::ConfigError;

/// Roles, or scopes, that imply others.
///
/// [`Validation::with_role_hierarchy`](crate::Validation::with_role_hierarchy) and
/// [`with_scope_hierarchy`](crate::Validation::with_scope_hierarchy) use it. A token with a role has
/// every role that the role implies, directly or through others.
///
/// ```
/// use tower_bearer::claims::Hierarchy;
///
/// let roles = Hierarchy::new().with("admin", ["editor", "auditor"]).with("editor", ["viewer"]);
/// let scopes: Hierarchy = "orders:* > orders:write > orders:read".parse()?;
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
///
/// As text, each line is a chain in which every name implies the next one. Names are trimmed, and
/// empty lines are skipped.
///
/// Names are compared to the letter. A `*` is a character like any other: `orders:*` implies
/// `orders:read` only because the hierarchy says so. No name is a pattern, so a scope that is added
/// later is not granted by accident.
///
/// The verifier checks a hierarchy when it is built: names that imply each other in a circle,
/// empty names, and scopes that are not scope tokens (RFC 6749 §3.3) are
/// [`ConfigError`]s. At most 1,000 names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hierarchy {
    /// A name, and one that it implies.
    steps: Vec<(String, String)>,
}

impl Hierarchy {
    /// Creates a hierarchy in which no name implies another.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds names that this name implies. A second call for the same name adds to the first.
    #[must_use]
    pub fn with<S: Into<String>>(
        mut self,
        name: impl Into<String>,
        implied: impl IntoIterator<Item = S>,
    ) -> Self {
        let name = name.into();
        self.steps.extend(implied.into_iter().map(|implied| (name.clone(), implied.into())));
        self
    }

    /// Returns each name with a name that it implies, as they were written.
    pub fn steps(&self) -> impl Iterator<Item = (&str, &str)> {
        self.steps.iter().map(|(name, implied)| (&**name, &**implied))
    }

    /// Finds the mistakes, and works out which names imply which.
    pub(crate) fn resolve(&self, kind: GrantKind) -> Result<Implications, ConfigError> {
        let mut numbers = HashMap::new();
        let mut names = Vec::new();
        for name in self.steps.iter().flat_map(|(name, implied)| [name, implied]) {
            if !numbers.contains_key(&**name) {
                kind.check(name)?;
                numbers.insert(&**name, names.len());
                names.push(&**name);
            }
        }
        if names.len() > MAX_NAMES {
            let problem = "is one name too many; 1,000 are the most";
            return Err(mistake(names[MAX_NAMES], problem));
        }
        let mut below = vec![Vec::new(); names.len()];
        for (name, implied) in &self.steps {
            below[numbers[&**name]].push(numbers[&**implied]);
        }
        let mut above = BTreeMap::<&str, Vec<Box<str>>>::new();
        for start in 0..names.len() {
            for reached in reached_from(start, &below, &names)? {
                above.entry(names[reached]).or_default().push(names[start].into());
            }
        }
        let above = above.into_iter().map(|(name, above)| (name.into(), above.into()));
        Ok(Implications(above.collect()))
    }
}

/// Returns the names below one name, without the name itself.
fn reached_from(
    start: usize,
    below: &[Vec<usize>],
    names: &[&str],
) -> Result<Vec<usize>, ConfigError> {
    let mut is_reached = vec![false; below.len()];
    let mut reached = Vec::new();
    // The way to the name that is looked at, each with the number of its names that were looked at.
    let mut way = vec![(start, 0)];
    while let Some((at, seen)) = way.last_mut() {
        let Some(next) = below[*at].get(*seen).copied() else {
            way.pop();
            continue;
        };
        *seen += 1;
        if next == start {
            let path = way.iter().map(|(name, _)| *name).chain([start]);
            let path = path.map(|name| names[name].to_owned()).collect();
            return Err(ConfigError::HierarchyCycle { path });
        }
        if !std::mem::replace(&mut is_reached[next], true) {
            reached.push(next);
            way.push((next, 0));
        }
    }
    Ok(reached)
}

impl FromStr for Hierarchy {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let mut steps = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let names: Vec<&str> = line.split('>').map(str::trim).collect();
            if names.len() < 2 || names.contains(&"") {
                return Err(mistake(line, "is no chain of names such as `admin > editor`"));
            }
            steps.extend(names.windows(2).map(|two| (two[0].to_owned(), two[1].to_owned())));
        }
        Ok(Self { steps })
    }
}

impl fmt::Display for Hierarchy {
    /// Writes the hierarchy as text, one line for each name that implies another.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, implied)) in self.steps.iter().enumerate() {
            let line_break = if index > 0 { "\n" } else { "" };
            write!(f, "{line_break}{name} > {implied}")?;
        }
        Ok(())
    }
}

/// The kind of the names in a hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GrantKind {
    Role,
    Scope,
}

impl GrantKind {
    fn check(self, name: &str) -> Result<(), ConfigError> {
        let problem = match self {
            _ if name.is_empty() => "is empty",
            Self::Scope if !is_scope_token(name) => "is no scope token",
            Self::Role if name.trim() != name => "begins or ends with a blank",
            Self::Role if name.chars().any(char::is_control) => "holds a control character",
            Self::Role | Self::Scope => return Ok(()),
        };
        Err(mistake(name, problem))
    }
}

fn mistake(name: &str, problem: &'static str) -> ConfigError {
    ConfigError::Hierarchy { name: name.to_owned(), problem }
}

/// The hierarchies of an issuer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hierarchies {
    pub(crate) roles: Implications,
    pub(crate) scopes: Implications,
}

/// The names that imply each name, through any number of steps. Sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Implications(Box<[(Box<str>, Names)]>);

type Names = Box<[Box<str>]>;

impl Implications {
    /// Returns whether one of the names that are held implies this one.
    #[inline]
    pub(super) fn imply<'a>(&self, held: impl Iterator<Item = &'a str>, name: &str) -> bool {
        !self.0.is_empty() && self.do_imply(held, name)
    }

    #[inline(never)]
    fn do_imply<'a>(&self, mut held: impl Iterator<Item = &'a str>, name: &str) -> bool {
        let Ok(at) = self.0.binary_search_by(|(one, _)| (**one).cmp(name)) else { return false };
        let (_, above) = &self.0[at];
        held.any(|held| above.iter().any(|one| **one == *held))
    }
}

/// The most names of one hierarchy: to work it out takes the square of their number.
const MAX_NAMES: usize = 1000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn implied(hierarchy: &Hierarchy, held: &str, name: &str) -> bool {
        hierarchy.resolve(GrantKind::Role).unwrap().imply([held].into_iter(), name)
    }

    #[test]
    fn names_imply_others_through_any_number_of_steps_and_never_upwards() {
        let roles = Hierarchy::new()
            .with("admin", ["editor", "auditor"])
            .with("editor", ["viewer"])
            .with("auditor", ["viewer"]);

        for (held, name) in
            [("admin", "editor"), ("admin", "auditor"), ("admin", "viewer"), ("editor", "viewer")]
        {
            assert!(implied(&roles, held, name), "{held} {name}");
            assert!(!implied(&roles, name, held), "{name} {held}");
        }
        for (held, name) in
            [("editor", "auditor"), ("x", "viewer"), ("admin", "x"), ("admi", "editor")]
        {
            assert!(!implied(&roles, held, name), "{held} {name}");
        }
    }

    #[test]
    fn star_is_a_character_like_any_other() {
        let scopes: Hierarchy = "orders:* > orders:read".parse().unwrap();

        assert!(implied(&scopes, "orders:*", "orders:read"));
        assert!(!implied(&scopes, "orders:*", "orders:write"));
        assert!(!implied(&scopes, "orders:x", "orders:read"));
    }

    #[test]
    fn text_is_lines_of_chains() {
        let text = "\n admin > editor >viewer\r\n\tchief editor>editor\n\n";
        let same = Hierarchy::new()
            .with("admin", ["editor"])
            .with("editor", ["viewer"])
            .with("chief editor", ["editor"]);

        let read: Hierarchy = text.parse().unwrap();

        assert_eq!(read, same);
        assert_eq!(read.to_string(), "admin > editor\neditor > viewer\nchief editor > editor");
        assert_eq!(read.to_string().parse::<Hierarchy>().unwrap(), read);
        assert_eq!("".parse::<Hierarchy>().unwrap(), Hierarchy::new());
        for wrong in ["admin", "admin >", "> admin", "a > > b", ">", "a > b\nc"] {
            let error = wrong.parse::<Hierarchy>().unwrap_err();
            assert!(matches!(error, ConfigError::Hierarchy { .. }), "{wrong}");
        }
    }

    #[test]
    fn circle_is_refused_with_its_path() {
        for (text, circle) in [
            ("a > a", "a a"),
            ("a > b\nb > a", "a b a"),
            ("x > a > b > c > a", "a b c a"),
            ("a > d\na > b\nb > d\nb > c\nc > a", "a b c a"),
        ] {
            let error = text.parse::<Hierarchy>().unwrap().resolve(GrantKind::Scope).unwrap_err();

            let path = circle.split(' ').map(str::to_owned).collect();
            assert_eq!(error, ConfigError::HierarchyCycle { path }, "{text}");
        }
        let diamond: Hierarchy = "a > b > d\na > c > d".parse().unwrap();
        assert!(diamond.resolve(GrantKind::Scope).is_ok());
    }

    #[test]
    fn names_that_no_token_can_hold_are_refused() {
        for (name, is_role, is_scope) in [
            ("", false, false),
            (" ", false, false),
            (" a", false, false),
            ("a ", false, false),
            ("a\n", false, false),
            ("a\u{0}b", false, false),
            ("a b", true, false),
            ("é", true, false),
            ("a\"b", true, false),
            ("a:*", true, true),
        ] {
            for hierarchy in
                [Hierarchy::new().with(name, ["x"]), Hierarchy::new().with("x", [name])]
            {
                for (kind, is_good) in [(GrantKind::Role, is_role), (GrantKind::Scope, is_scope)] {
                    let resolved = hierarchy.resolve(kind);

                    assert_eq!(resolved.is_ok(), is_good, "{name:?} {kind:?}");
                    if let Err(error) = resolved {
                        assert!(
                            matches!(&error, ConfigError::Hierarchy { name: of, .. } if of == name)
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn thousand_names_are_the_most_and_long_chains_are_no_danger() {
        let chain = |length: usize| {
            let names: Vec<String> = (0..length).map(|number| format!("n{number}")).collect();
            names.join(" > ").parse::<Hierarchy>().unwrap()
        };

        let resolved = chain(1000).resolve(GrantKind::Role).unwrap();
        assert!(resolved.imply(["n0"].into_iter(), "n999"));
        assert!(!resolved.imply(["n999"].into_iter(), "n0"));
        assert!(chain(1001).resolve(GrantKind::Role).is_err());
        assert!(chain(100_000).resolve(GrantKind::Role).is_err());
    }

    proptest! {
        /// Compares with steps that are taken one at a time.
        #[test]
        fn implications_are_what_can_be_reached(
            steps in proptest::collection::vec((0..8_u8, 0..8_u8), 0..16), held in 0..8_u8, name in 0..8_u8,
        ) {
            let hierarchy = steps.iter().fold(Hierarchy::new(), |hierarchy, (name, implied)| {
                hierarchy.with(name.to_string(), [implied.to_string()])
            });
            let reached = |from: u8| {
                let mut reached = vec![];
                let mut next = vec![from];
                while let Some(at) = next.pop() {
                    for (_, below) in steps.iter().filter(|(name, _)| *name == at) {
                        if !reached.contains(below) {
                            reached.push(*below);
                            next.push(*below);
                        }
                    }
                }
                reached
            };
            let has_circle = (0..8).any(|name| reached(name).contains(&name));

            let resolved = hierarchy.resolve(GrantKind::Role);

            prop_assert_eq!(resolved.is_err(), has_circle);
            if let Ok(resolved) = resolved {
                let implied = resolved.imply([&*held.to_string()].into_iter(), &name.to_string());
                prop_assert_eq!(implied, reached(held).contains(&name));
            }
        }
    }
}
