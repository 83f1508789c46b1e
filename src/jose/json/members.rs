use super::{JsonError, Scanner, SeenNames};

/// Reads an object of at most this number of members, each of which comes once. The function takes the value of each.
#[inline]
pub(crate) fn read_members<'t>(
    scanner: &mut Scanner<'t>,
    most: usize,
    mut read: impl FnMut(&str, &mut Scanner<'t>) -> Result<(), JsonError>,
) -> Result<(), JsonError> {
    let mut seen = SeenNames::at_most(most);
    let mut is_first = true;
    scanner.begin(b'{')?;
    while let Some(name) = scanner.next_name(&mut is_first)? {
        read(&name, scanner)?;
        seen.insert(name)?;
    }
    Ok(())
}
