use redis::{Cmd, cmd};

/// A script that runs in Redis: atomic, and one round trip.
#[derive(Clone, Copy)]
pub(in crate::state) struct Script {
    /// Its place among the scripts of the store.
    pub(in crate::state) number: usize,
    pub(in crate::state) text: &'static str,
}

/// A call of a script.
pub(in crate::state) struct ScriptCall {
    script: Script,
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
}

impl ScriptCall {
    pub(super) fn number(&self) -> usize {
        self.script.number
    }

    pub(in crate::state) fn new(script: Script, keys: impl IntoIterator<Item = String>) -> Self {
        Self { script, keys: keys.into_iter().collect(), arguments: Vec::new() }
    }

    pub(in crate::state) fn with(mut self, argument: impl Into<Vec<u8>>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Returns the command that calls the script by its hash.
    pub(super) fn by_hash(&self, hash: &str) -> Cmd {
        self.command("EVALSHA", hash)
    }

    /// Returns the command that sends the script itself, after which Redis knows its hash.
    pub(super) fn by_text(&self) -> Cmd {
        self.command("EVAL", self.script.text)
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = cmd(name);
        command.arg(script).arg(self.keys.len()).arg(&self.keys).arg(&self.arguments);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_has_script_keys_and_arguments() {
        let call = ScriptCall::new(
            Script { number: 0, text: "return 1" },
            ["k1".to_owned(), "k2".to_owned()],
        )
        .with("a")
        .with(vec![0xff, 0]);

        let packed = call.by_hash("abc").get_packed_command();

        let expected = b"*7\r\n$7\r\nEVALSHA\r\n$3\r\nabc\r\n$1\r\n2\r\n$2\r\nk1\r\n$2\r\nk2\r\n\
            $1\r\na\r\n$2\r\n\xff\0\r\n";
        assert_eq!(packed, expected);
        let by_text = call.by_text().get_packed_command();
        assert!(by_text.starts_with(b"*7\r\n$4\r\nEVAL\r\n"));
    }
}
