/// The reason why a text is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonError {
    /// The text is not JSON.
    Syntax,
    /// A value nests too deeply.
    TooDeep,
    /// A value is of another type than the one that was asked for.
    OtherType,
    /// A member comes twice, or there are too many.
    RepeatedName,
    /// The name of a member begins with `$serde_json::`.
    ReservedName,
}
