//! Reads the operation of a JSON-RPC message: its method, and the name of the tool.
//!
//! The reading is strict, so that no server reads another operation. A text is not clear if a JSON reader in use could
//! find another method or another tool in it: where a member comes twice, after escapes are resolved, and where the
//! name of a member differs from one that decides in case only (the readers of Go and others ignore case).

use std::borrow::Cow;
use std::fmt;

use super::folded;
use crate::error::shown;
use crate::jose::json::{JsonError, Scanner, SeenNames};

/// The operation that a message asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operation<'t> {
    /// A call of this tool (`tools/call`).
    Tool(Cow<'t, str>),
    /// A request of another method.
    Method(Cow<'t, str>),
    /// A message of another method that expects no answer.
    Notification(Cow<'t, str>),
    /// The answer to a request of the server.
    Answer,
}

/// The reason why it is not clear which operation a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unclear {
    /// The body says in its head that it is not JSON in UTF-8.
    Encoding,
    TooLarge,
    /// The body ended with an error.
    Incomplete,
    NotJson,
    /// A list of messages.
    Batch,
    /// A member comes twice, there are too many, or two differ in case only.
    Ambiguous,
    /// JSON, and no message of JSON-RPC with a readable operation.
    NoMessage,
}

impl Unclear {
    fn sentence(self) -> &'static str {
        match self {
            Self::Encoding => "a request that does not say that it is JSON in UTF-8",
            Self::TooLarge => "a body that is too large to be read for its operation",
            Self::Incomplete => "a body that ended with an error",
            Self::NotJson => "a body that is not JSON",
            Self::Batch => "a batch",
            Self::Ambiguous => "a message that can be read in two ways",
            Self::NoMessage => "a body that is no message of JSON-RPC",
        }
    }
}

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl fmt::Display for Operation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tool(name) => write!(f, "the tool `{}`", shown(name)),
            Self::Method(name) | Self::Notification(name) => {
                write!(f, "the method `{}`", shown(name))
            }
            Self::Answer => f.write_str("an answer to the server"),
        }
    }
}

impl<'t> Operation<'t> {
    /// Reads the operation of a body.
    pub(super) fn read(body: &'t [u8]) -> Result<Self, Unclear> {
        let text = str::from_utf8(body).map_err(|_| Unclear::NotJson)?;
        let mut scanner = Scanner::new(text);
        match scanner.peek().map_err(|_| Unclear::NotJson)? {
            b'{' => {}
            b'[' => return Err(Unclear::Batch),
            _ => return Err(Unclear::NoMessage),
        }
        let members = Members::read(&mut scanner)?;
        scanner.finish().map_err(|_| Unclear::NotJson)?;
        members.operation()
    }
}

/// The members that decide which operation a message asks for.
#[derive(Default)]
struct Members<'t> {
    method: Option<Cow<'t, str>>,
    /// The name in `params`, if it was read.
    tool: Option<Result<Cow<'t, str>, Unclear>>,
    /// The place of `params`, if the method was not known there.
    params: Option<Scanner<'t>>,
    has_id: bool,
    has_result: bool,
}

impl<'t> Members<'t> {
    fn read(scanner: &mut Scanner<'t>) -> Result<Self, Unclear> {
        let mut members = Self::default();
        let mut seen = SeenNames::at_most(MAX_MEMBERS);
        let mut is_first = true;
        scanner.begin(b'{').map_err(unclear)?;
        while let Some(name) = scanner.next_name(&mut is_first).map_err(unclear)? {
            match &*name {
                "method" => {
                    members.method = Some(scanner.text().map_err(unclear)?);
                }
                "params" if members.method.as_deref() == Some(CALL) => {
                    let start = scanner.clone();
                    let tool = read_tool(scanner);
                    if tool.is_err() {
                        // Whether it is JSON decides too, for the sentence in the log.
                        *scanner = start;
                        scanner.skip(PARAMS_DEPTH).map_err(unclear)?;
                    }
                    members.tool = Some(tool);
                }
                "params" => {
                    members.params = Some(scanner.clone());
                    scanner.skip(PARAMS_DEPTH).map_err(unclear)?;
                }
                "jsonrpc" => _ = scanner.skip(PARAMS_DEPTH).map_err(unclear)?,
                "id" => {
                    members.has_id = true;
                    scanner.skip(PARAMS_DEPTH).map_err(unclear)?;
                }
                other => {
                    members.has_result |= matches!(other, "result" | "error");
                    if is_mistakable(other) {
                        return Err(Unclear::Ambiguous);
                    }
                    scanner.skip(PARAMS_DEPTH).map_err(unclear)?;
                }
            }
            seen.insert(name).map_err(unclear)?;
        }
        Ok(members)
    }

    fn operation(self) -> Result<Operation<'t>, Unclear> {
        match self.method {
            None if self.has_result => Ok(Operation::Answer),
            None => Err(Unclear::NoMessage),
            // One reader takes it for a request, another one for an answer.
            Some(_) if self.has_result => Err(Unclear::Ambiguous),
            Some(method) if method == CALL => match (self.tool, self.params) {
                (Some(tool), _) => tool.map(Operation::Tool),
                (None, Some(mut params)) => read_tool(&mut params).map(Operation::Tool),
                (None, None) => Err(Unclear::NoMessage),
            },
            Some(method) if self.has_id => Ok(Operation::Method(method)),
            Some(method) => Ok(Operation::Notification(method)),
        }
    }
}

/// Returns whether a reader could take the name of a member for that of one that decides.
fn is_mistakable(name: &str) -> bool {
    DECIDING.iter().any(|known| *known != name && is_mistakable_for(known, name))
}

fn is_mistakable_for(known: &str, name: &str) -> bool {
    folded::is_same(known, name) || name == PROTOTYPE
}

/// Reads the name of the tool in the parameters of a call.
fn read_tool<'t>(scanner: &mut Scanner<'t>) -> Result<Cow<'t, str>, Unclear> {
    let mut tool = None;
    let mut seen = SeenNames::at_most(MAX_MEMBERS);
    let mut is_first = true;
    scanner.begin(b'{').map_err(unclear)?;
    while let Some(name) = scanner.next_name(&mut is_first).map_err(unclear)? {
        if name == NAME {
            tool = Some(scanner.text().map_err(unclear)?);
        } else if name != "arguments" && is_mistakable_for(NAME, &name) {
            return Err(Unclear::Ambiguous);
        } else {
            scanner.skip(PARAMS_DEPTH - 1).map_err(unclear)?;
        }
        seen.insert(name).map_err(unclear)?;
    }
    tool.ok_or(Unclear::NoMessage)
}

#[cold]
fn unclear(error: JsonError) -> Unclear {
    match error {
        JsonError::Syntax | JsonError::TooDeep | JsonError::ReservedName => Unclear::NotJson,
        JsonError::RepeatedName => Unclear::Ambiguous,
        JsonError::OtherType => Unclear::NoMessage,
    }
}

/// The method that calls a tool.
pub(super) const CALL: &str = "tools/call";
const NAME: &str = "name";
/// In JavaScript, an object that is copied member by member gets the members of this one.
const PROTOTYPE: &str = "__proto__";
/// The members of a message that servers decide by.
const DECIDING: [&str; 5] = ["method", "params", "id", "result", "error"];
/// JSON-RPC knows six members of a message, and MCP as many of a call.
const MAX_MEMBERS: usize = 24;
/// As deep as `serde_json` reads, which counts the message itself.
const PARAMS_DEPTH: usize = 126;

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(name: &str) -> Operation<'_> {
        Operation::Tool(name.into())
    }

    fn read(body: &str) -> Result<Operation<'_>, Unclear> {
        Operation::read(body.as_bytes())
    }

    #[test]
    fn call_is_read_wherever_its_members_stand_and_however_they_are_written() {
        for body in [
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"close","arguments":{"name":"open"}}}"#,
            r#"{"params":{"arguments":{"name":"open"},"name":"close"},"method":"tools/call","id":1}"#,
            r#" { "method" : "tools/call" , "params" : { "_meta" : {} , "name" : "close" } } "#,
            r#"{"\u006dethod":"tools\/call","\u0070arams":{"n\u0061me":"cl\u006fse"}}"#,
            r#"{"method":"tools/call","params":{"name":"close"},"id":null}"#,
            r#"{"method":"tools/call","params":{"name":"close","arguments":[1e400,{"a":{"b":[[]]}}]},"x":"\ud800"}"#,
        ] {
            assert_eq!(read(body), Ok(tool("close")), "{body}");
        }
    }

    #[test]
    fn other_messages_are_told_apart() {
        let method = |name: &'static str| Ok(Operation::Method(name.into()));
        let notification = |name: &'static str| Ok(Operation::Notification(name.into()));

        for (body, expected) in [
            (r#"{"id":1,"method":"tools/list"}"#, method("tools/list")),
            (r#"{"method":"tools/list","params":[1],"id":"x"}"#, method("tools/list")),
            (r#"{"id":1,"method":"x","params":{"name":1,"name":2}}"#, method("x")),
            (r#"{"id":null,"method":"notifications/x"}"#, method("notifications/x")),
            (r#"{"method":"notifications/x"}"#, notification("notifications/x")),
            (r#"{"method":"Tools/Call","params":{}}"#, notification("Tools/Call")),
            (r#"{"method":"","id":1}"#, method("")),
            (r#"{"id":1,"result":{"method":"tools/call"}}"#, Ok(Operation::Answer)),
            (r#"{"id":1,"error":{"code":1,"message":""}}"#, Ok(Operation::Answer)),
        ] {
            assert_eq!(read(body), expected, "{body}");
        }
    }

    #[test]
    fn text_that_could_be_read_in_two_ways_is_not_clear() {
        for body in [
            r#"{"method":"ping","method":"tools/call","params":{"name":"close"}}"#,
            r#"{"method":"ping","\u006dethod":"ping"}"#,
            r#"{"method":"tools/call","params":{"name":"open","name":"close"}}"#,
            r#"{"method":"tools/call","params":{"name":"open","\u006eame":"open"}}"#,
            r#"{"method":"tools/call","params":{"name":"open","Name":"close"}}"#,
            r#"{"method":"tools/call","params":{"NAME":"close"}}"#,
            r#"{"method":"tools/call","params":{"name":"open"},"params":{"name":"close"}}"#,
            r#"{"params":{"name":"open"},"params":{"name":"close"},"method":"tools/call"}"#,
            r#"{"method":"tools/call","params":{"name":"open"},"Params":{"name":"close"}}"#,
            r#"{"method":"tools/call","params":{"name":"open"},"param\u017f":{"name":"close"}}"#,
            r#"{"method":"ping","METHOD":"tools/call"}"#,
            r#"{"Method":"ping"}"#,
            r#"{"method":"ping","ID":1}"#,
            r#"{"method":"ping","id":1,"id":2}"#,
            r#"{"method":"ping","result":{}}"#,
            r#"{"error":{},"method":"ping"}"#,
            r#"{"method":"ping","x":1,"x":2}"#,
            r#"{"id":1,"result":{},"__proto__":{"method":"tools/call"}}"#,
            r#"{"method":"tools/call","params":{"name":"open","__proto__":{"name":"close"}}}"#,
        ] {
            assert_eq!(read(body), Err(Unclear::Ambiguous), "{body}");
        }
        let many: Vec<_> = (0..MAX_MEMBERS).map(|number| format!("\"x{number}\":0")).collect();
        let many = many.join(",");
        for body in [
            format!(r#"{{"method":"ping",{many}}}"#),
            format!(r#"{{"method":"tools/call","params":{{"name":"open",{many}}}}}"#),
        ] {
            assert_eq!(read(&body), Err(Unclear::Ambiguous), "{body}");
        }
    }

    #[test]
    fn text_that_is_no_message_is_not_clear() {
        for (body, expected) in [
            ("", Unclear::NotJson),
            (" ", Unclear::NotJson),
            ("{", Unclear::NotJson),
            (r#"{"method":"ping"}}"#, Unclear::NotJson),
            (r#"{"method":"ping"} {"method":"ping"}"#, Unclear::NotJson),
            (r#"{"method":"ping",}"#, Unclear::NotJson),
            ("\u{feff}{\"method\":\"ping\"}", Unclear::NoMessage),
            (r#"{"method":"\ud800"}"#, Unclear::NotJson),
            (r#"{"\ud800":1,"method":"ping"}"#, Unclear::NotJson),
            (r#"{"method":"tools/call","params":{"name":"\udc00"}}"#, Unclear::NotJson),
            (r#"{"method":"ping","$serde_json::private::RawValue":"1"}"#, Unclear::NotJson),
            ("{\"method\":\"pi\nng\"}", Unclear::NotJson),
            ("1", Unclear::NoMessage),
            ("\"tools/call\"", Unclear::NoMessage),
            ("{}", Unclear::NoMessage),
            (r#"{"id":1}"#, Unclear::NoMessage),
            (r#"{"method":null}"#, Unclear::NoMessage),
            (r#"{"method":["tools/call"]}"#, Unclear::NoMessage),
            (r#"{"method":"tools/call"}"#, Unclear::NoMessage),
            (r#"{"method":"tools/call","params":null}"#, Unclear::NoMessage),
            (r#"{"method":"tools/call","params":["close"]}"#, Unclear::NoMessage),
            (r#"{"method":"tools/call","params":{}}"#, Unclear::NoMessage),
            (r#"{"method":"tools/call","params":{"name":["close"]}}"#, Unclear::NoMessage),
            (r#"{"params":{"name":1},"method":"tools/call"}"#, Unclear::NoMessage),
            ("[]", Unclear::Batch),
            (r#" [{"method":"ping"}]"#, Unclear::Batch),
        ] {
            assert_eq!(read(body), Err(expected), "{body}");
        }
        assert_eq!(Operation::read(b"{\"method\":\"p\xff\"}"), Err(Unclear::NotJson));
        let utf16: Vec<u8> =
            r#"{"method":"ping"}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(Operation::read(&utf16), Err(Unclear::NotJson));
    }

    #[test]
    fn nesting_is_read_as_deep_as_servers_read_it_and_no_deeper() {
        let call = |depth: usize| {
            let (open, close) = ("[".repeat(depth), "]".repeat(depth));
            format!(
                r#"{{"method":"tools/call","params":{{"name":"close","arguments":{open}{close}}}}}"#
            )
        };

        let deepest = PARAMS_DEPTH - 1;
        assert!(serde_json::from_str::<serde_json::Value>(&call(deepest)).is_ok());
        assert_eq!(read(&call(deepest)), Ok(tool("close")));
        assert!(serde_json::from_str::<serde_json::Value>(&call(deepest + 1)).is_err());
        assert_eq!(read(&call(deepest + 1)), Err(Unclear::NotJson));
        assert_eq!(read(&call(100_000)), Err(Unclear::NotJson));
    }
}
