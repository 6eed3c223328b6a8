//! QEMU's machine protocol: JSON lines, one reply per command, events in between.
//!
//! QEMU's `docs/interop/qmp-spec.rst` names the messages.

use std::collections::{HashMap, VecDeque};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// QEMU answers at once unless it is stuck on a device.
const REPLY_TIMEOUT: Duration = Duration::from_secs(30);

/// A command that QEMU did not do.
#[derive(Debug, thiserror::Error)]
pub enum QmpError {
    /// QEMU refused.
    #[error("qemu refused {command}: {}", refusal.desc)]
    Refused {
        /// The command.
        command: String,
        /// Its reason.
        refusal: Refusal,
    },
    /// QEMU has ended.
    #[error("qemu ended during {0}")]
    Ended(String),
    /// No reply, no event.
    #[error("qemu did not answer within {timeout:?}: {command}")]
    Timeout {
        /// The command, or the event.
        command: String,
        /// How long was waited.
        timeout: Duration,
    },
    /// The human monitor said something else than expected.
    #[error("qemu's monitor answered `{line}` with: {said}")]
    Monitor {
        /// The line.
        line: String,
        /// What it said.
        said: String,
    },
    /// The command could not be sent.
    #[error("cannot send {command} to qemu: {cause}")]
    Send {
        /// The command.
        command: String,
        /// What the socket said.
        cause: io::Error,
    },
}

/// QEMU's reason to refuse.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Refusal {
    /// The class, such as `GenericError` or `DeviceNotFound`.
    pub class: String,
    /// The reason.
    pub desc: String,
}

/// Something that happened in the machine.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Event {
    /// The name, such as `DEVICE_DELETED`.
    #[serde(rename = "event")]
    pub name: String,
    /// What belongs to it.
    #[serde(default)]
    pub data: Value,
}

/// A line from QEMU.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Message {
    Greeting {
        #[serde(rename = "QMP")]
        _version: Value,
    },
    Done {
        #[serde(rename = "return")]
        value: Value,
        id: u64,
    },
    Refused {
        error: Refusal,
        id: u64,
    },
    Event(Event),
}

#[derive(Serialize)]
struct Command<'a> {
    execute: &'a str,
    arguments: Value,
    id: u64,
}

/// A connection to QEMU.
#[derive(Debug)]
pub struct Qmp {
    stream: Mutex<UnixStream>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    sent: u64,
    replies: HashMap<u64, Result<Value, Refusal>>,
    events: VecDeque<Event>,
    ended: bool,
}

impl Qmp {
    /// Takes over a connection and leaves the negotiation mode that QEMU begins in.
    pub(crate) fn connect(stream: UnixStream) -> Result<Self, QmpError> {
        let send = |cause| QmpError::Send {
            command: "the first command".to_owned(),
            cause,
        };
        let from = BufReader::new(stream.try_clone().map_err(send)?);
        let shared = Arc::new(Shared::default());
        let reader = Arc::clone(&shared);
        thread::spawn(move || reader.read(from));
        let qmp = Self {
            stream: Mutex::new(stream),
            shared,
        };
        qmp.execute("qmp_capabilities", serde_json::json!({}))?;
        Ok(qmp)
    }

    /// Runs a command; `arguments` is an object.
    ///
    /// # Errors
    /// When QEMU refuses, does not answer or has ended.
    pub fn execute(&self, command: &str, arguments: Value) -> Result<Value, QmpError> {
        let id = {
            let mut state = self.shared.state();
            state.sent += 1;
            state.sent
        };
        let message = Command {
            execute: command,
            arguments,
            id,
        };
        self.send(&message).map_err(|cause| QmpError::Send {
            command: command.to_owned(),
            cause,
        })?;
        let reply = self
            .shared
            .wait(command, REPLY_TIMEOUT, |state| state.replies.remove(&id))?;
        reply.map_err(|refusal| QmpError::Refused {
            command: command.to_owned(),
            refusal,
        })
    }

    /// Runs a command of the human monitor, for what has no command of its own.
    ///
    /// # Errors
    /// As [`Qmp::execute`]; the monitor's own complaints are in the text it returns.
    pub fn human(&self, line: &str) -> Result<String, QmpError> {
        let arguments = serde_json::json!({ "command-line": line });
        let value = self.execute("human-monitor-command", arguments)?;
        Ok(value.as_str().unwrap_or_default().to_owned())
    }

    /// Takes the oldest event of this name, waiting for one; others stay.
    ///
    /// # Errors
    /// When none comes in time or QEMU ends.
    pub fn take_event(&self, name: &str, timeout: Duration) -> Result<Event, QmpError> {
        self.shared.wait(name, timeout, |state| {
            let at = state.events.iter().position(|event| event.name == name)?;
            state.events.remove(at)
        })
    }

    fn send(&self, command: &Command<'_>) -> io::Result<()> {
        let mut line = serde_json::to_vec(command)?;
        line.push(b'\n');
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        stream.write_all(&line)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, from: impl BufRead) {
        for line in from.lines().map_while(Result::ok) {
            // A line that is none of the messages answers nothing: whoever waits will say so.
            if let Ok(message) = serde_json::from_str(&line) {
                self.take(message);
            }
        }
        self.state().ended = true;
        self.changed.notify_all();
    }

    fn take(&self, message: Message) {
        let mut state = self.state();
        match message {
            Message::Greeting { .. } => {}
            Message::Done { value, id } => {
                state.replies.insert(id, Ok(value));
            }
            Message::Refused { error, id } => {
                state.replies.insert(id, Err(error));
            }
            Message::Event(event) => state.events.push_back(event),
        }
        drop(state);
        self.changed.notify_all();
    }

    fn wait<T>(&self, what: &str, timeout: Duration, take: impl Fn(&mut State) -> Option<T>) -> Result<T, QmpError> {
        let deadline = Instant::now() + timeout;
        let mut state = self.state();
        loop {
            if let Some(taken) = take(&mut state) {
                return Ok(taken);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let command = what.to_owned();
            if state.ended {
                return Err(QmpError::Ended(command));
            }
            if left.is_zero() {
                return Err(QmpError::Timeout { command, timeout });
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Message {
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn the_four_messages_are_told_apart() {
        let greeting = r#"{"QMP": {"version": {"qemu": {"major": 11}}, "capabilities": ["oob"]}}"#;
        assert!(matches!(parse(greeting), Message::Greeting { .. }));
        let done = Message::Done {
            value: serde_json::json!({}),
            id: 3,
        };
        assert_eq!(parse(r#"{"return": {}, "id": 3}"#), done);
        let refused = r#"{"id": 4, "error": {"class": "DeviceNotFound", "desc": "none"}}"#;
        let Message::Refused { error, id: 4 } = parse(refused) else {
            panic!("not a refusal");
        };
        assert_eq!(error.class, "DeviceNotFound");
        let event = r#"{"timestamp": {"seconds": 1, "microseconds": 2},
            "event": "DEVICE_DELETED", "data": {"device": "gpu0"}}"#;
        let Message::Event(event) = parse(event) else {
            panic!("not an event");
        };
        assert_eq!(event.name, "DEVICE_DELETED");
        assert_eq!(event.data["device"], "gpu0");
    }

    /// Answers each command with the next of the given lines.
    fn scripted(answers: &'static [&'static str]) -> Qmp {
        let (ours, theirs) = UnixStream::pair().unwrap();
        thread::spawn(move || {
            let mut to = theirs.try_clone().unwrap();
            let mut lines = BufReader::new(theirs).lines();
            writeln!(to, r#"{{"QMP": {{"version": {{}}, "capabilities": []}}}}"#).unwrap();
            for answer in answers {
                lines.next().unwrap().unwrap();
                writeln!(to, "{answer}").unwrap();
            }
        });
        Qmp::connect(ours).unwrap()
    }

    #[test]
    fn an_event_between_command_and_reply_is_kept() {
        let qmp = scripted(&[
            r#"{"return": {}, "id": 1}"#,
            "{\"event\": \"RESUME\"}\n{\"return\": {\"running\": true}, \"id\": 2}",
        ]);
        let status = qmp.execute("query-status", serde_json::json!({})).unwrap();
        assert_eq!(status["running"], true);
        assert_eq!(qmp.take_event("RESUME", Duration::ZERO).unwrap().name, "RESUME");
    }

    #[test]
    fn a_refusal_and_an_end_are_different_errors() {
        let refusal = r#"{"id": 2, "error": {"class": "GenericError", "desc": "no such bus"}}"#;
        let qmp = scripted(vec![r#"{"return": {}, "id": 1}"#, refusal].leak());
        let error = qmp.execute("device_add", serde_json::json!({})).unwrap_err();
        assert_eq!(error.to_string(), "qemu refused device_add: no such bus");
        let error = qmp.take_event("SHUTDOWN", Duration::from_secs(5)).unwrap_err();
        assert!(matches!(error, QmpError::Ended(_)), "{error}");
    }
}
