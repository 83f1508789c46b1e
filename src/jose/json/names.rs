use std::borrow::Cow;

use arrayvec::ArrayVec;

use super::JsonError;

/// The names of the members of one object. Each may come once (RFC 7515 §4, RFC 7519 §4).
pub(crate) struct SeenNames<'t> {
    // An object of a token has a dozen names or two, which need no allocation. More names need one.
    plain: ArrayVec<&'t str, FEW>,
    others: Vec<Cow<'t, str>>,
    most: usize,
}

const FEW: usize = 24;

impl<'t> SeenNames<'t> {
    /// Creates the set for an object of at most this number of members.
    ///
    /// Each name is compared with all names before it. For few names that costs less than hashing, so an object that
    /// any client may send needs a low limit.
    pub(crate) fn at_most(most: usize) -> Self {
        Self { plain: ArrayVec::new(), others: Vec::new(), most }
    }

    /// Adds a name. `Err` if it was added before, or if there are too many names.
    #[inline]
    pub(crate) fn insert(&mut self, name: Cow<'t, str>) -> Result<(), JsonError> {
        match name {
            Cow::Borrowed(name) => self.insert_plain(name),
            Cow::Owned(name) => self.insert_other(name.into()),
        }
    }

    fn insert_plain(&mut self, name: &'t str) -> Result<(), JsonError> {
        if self.plain.len() >= self.most || self.plain.contains(&name) {
            return Err(JsonError::RepeatedName);
        }
        if self.others.is_empty() && self.plain.try_push(name).is_ok() {
            return Ok(());
        }
        self.insert_other(name.into())
    }

    #[cold]
    fn insert_other(&mut self, name: Cow<'t, str>) -> Result<(), JsonError> {
        let is_full = self.plain.len() + self.others.len() >= self.most;
        if is_full || self.plain.contains(&&*name) || self.others.contains(&name) {
            return Err(JsonError::RepeatedName);
        }
        self.others.push(name);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_that_comes_twice_is_refused_however_it_is_written_and_wherever_it_stands() {
        let names: Vec<String> = (0..2 * FEW).map(|number| format!("x{number}")).collect();
        let seen = || {
            let mut seen = SeenNames::at_most(100);
            for (number, name) in names.iter().enumerate() {
                let is_decoded = number % 3 == 0;
                let name = if is_decoded { name.clone().into() } else { Cow::from(&**name) };
                assert_eq!(seen.insert(name), Ok(()));
            }
            seen
        };

        for name in &names {
            assert_eq!(seen().insert(Cow::from(&**name)), Err(JsonError::RepeatedName), "{name}");
            assert_eq!(seen().insert(name.clone().into()), Err(JsonError::RepeatedName), "{name}");
        }
        assert_eq!(seen().insert("x".into()), Ok(()));
    }

    #[test]
    fn as_many_names_as_allowed_are_taken_and_no_more() {
        let mut seen = SeenNames::at_most(3);

        assert_eq!(seen.insert("a".into()), Ok(()));
        assert_eq!(seen.insert("b".to_owned().into()), Ok(()));
        assert_eq!(seen.insert("c".into()), Ok(()));
        assert_eq!(seen.insert("d".into()), Err(JsonError::RepeatedName));
    }
}
