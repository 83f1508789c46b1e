//! Reads key presses from the terminal.

use tokio::sync::mpsc;

/// The terminal while it hands over each key at once. The end of the value restores it.
pub(super) struct Keyboard {
    presses: mpsc::UnboundedReceiver<u8>,
    _mode: mode::Restore,
}

impl Keyboard {
    /// Returns `None` where no terminal belongs to this program.
    pub(super) fn open() -> Option<Self> {
        let mode = mode::enter()?;
        let (sender, presses) = mpsc::unbounded_channel();
        // It waits for a key when the program ends, and ends with it.
        let reader = move || {
            use std::io::Read as _;
            for byte in std::io::stdin().lock().bytes() {
                match byte {
                    Ok(byte) if sender.send(byte).is_ok() => {}
                    _ => return,
                }
            }
        };
        std::thread::Builder::new().name("keyboard".to_owned()).spawn(reader).ok()?;
        Some(Self { presses, _mode: mode })
    }

    /// Returns the next key. Waits for ever where there is none any more.
    pub(super) async fn press(keyboard: &mut Option<Self>) -> u8 {
        if let Some(keyboard) = keyboard
            && let Some(key) = keyboard.presses.recv().await
        {
            return key;
        }
        std::future::pending().await
    }
}

#[cfg(unix)]
mod mode {
    use std::io::{IsTerminal as _, stdin, stdout};

    use rustix::process::getpgrp;
    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

    pub(super) struct Restore(Termios);

    /// Lets each key arrive at once and unseen. Output and Ctrl-C stay as they are.
    pub(super) fn enter() -> Option<Restore> {
        if !stdin().is_terminal() || !stdout().is_terminal() {
            return None;
        }
        // A background job (`bearer serve &`) is stopped if it changes the terminal.
        if tcgetpgrp(stdin()).ok()? != getpgrp() {
            return None;
        }
        let before = tcgetattr(stdin()).ok()?;
        let mut single = before.clone();
        single.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        tcsetattr(stdin(), OptionalActions::Now, &single).ok()?;
        Some(Restore(before))
    }

    impl Drop for Restore {
        fn drop(&mut self) {
            tcsetattr(stdin(), OptionalActions::Now, &self.0).ok();
        }
    }
}

#[cfg(not(unix))]
mod mode {
    use std::io::{IsTerminal as _, stdin, stdout};

    pub(super) struct Restore;

    /// Keys arrive when Enter is pressed.
    pub(super) fn enter() -> Option<Restore> {
        (stdin().is_terminal() && stdout().is_terminal()).then_some(Restore)
    }
}
