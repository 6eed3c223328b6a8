//! The control protocol: one JSON object a line each way over `control.sock`.
//!
//! ```text
//! {"command":{"flr":"ignore"},"function":0}         {"ok":true}
//! {"command":{"flr":{"hang":{"ms":3000}}}}          {"ok":true}
//! {"command":{"sbr":"partial"},"function":1}        {"ok":true}
//! {"command":{"flr":{"dies":{"ms":250}}}}           {"ok":true}
//! {"command":{"die":{"until":"power"}}}             {"ok":true}
//! {"command":{"power":"off"}}                       {"ok":true}
//! {"command":{"mark":"before the claim"}}           {"ok":true}
//! {"command":"state"}                               {"ok":true,"functions":[…]}
//! {"command":"flee"}                                {"ok":false,"error":"…"}
//! ```
//!
//! Without `function` a command is for all functions.

use serde::{Deserialize, Serialize};

/// One line to the fake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What to do.
    pub command: Command,
    /// To which function; without it to all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<u8>,
}

/// What a test can have the fake do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// How an FLR goes from now on.
    Flr(Reset),
    /// How a resetting return from D3hot to D0 goes from now on.
    Pm(Reset),
    /// How a reset by a register of its own goes from now on; only boards of AMD have one.
    DeviceSpecific(Reset),
    /// How a reset from above goes from now on.
    Sbr(Reset),
    /// Switches the power of the whole board.
    Power(Power),
    /// Takes the function off the bus now.
    Die(Fault),
    /// Brings the function back, reset and without faults.
    Revive,
    /// Puts the function into D3hot, as firmware does that leaves it so.
    Sleep,
    /// What reads through the BARs give.
    Bars(Bars),
    /// Whether Device Status says that transactions are pending.
    Pending(Stuck),
    /// Whether a function in D3hot refuses to return to D0.
    PmcsrStuck(Stuck),
    /// Answers reads of configuration space late.
    ConfigDelay(ConfigDelay),
    /// Which serial number it gives; only a function that has one takes this.
    Serial(Serial),
    /// Writes a line of the test's own into the access log.
    Mark(String),
    /// Asks for the functions' state.
    State,
}

/// How a function takes a reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Reset {
    /// It is reset and ready at once.
    #[default]
    Normal,
    /// It keeps its state, while the machine believes in success.
    Ignore,
    /// It is reset and not ready for a while: RRS.
    Hang {
        /// For how many milliseconds.
        ms: u64,
    },
    /// It leaves the bus: after an SBR until power, after any other until an SBR.
    Kill,
    /// Only its PCIe interface is reset: what is behind its BARs, and what is wrong there, is kept.
    Partial,
    /// It answers as before, and is reset only after a while. A second reset meanwhile begins the while again.
    Late {
        /// After how many milliseconds.
        ms: u64,
    },
    /// It is reset and ready at once, and leaves the bus after a while, as with [`Reset::Kill`]. A reset in time prevents that.
    Dies {
        /// After how many milliseconds.
        ms: u64,
    },
}

/// The board's power switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Power {
    /// Drops all connections and refuses new ones.
    Off,
    /// Serves again; the functions are as after power-on once a machine connects.
    On,
}

/// What ends a fault: this, or anything after it in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// A resetting return from D3hot to D0.
    Pm,
    /// An FLR.
    Flr,
    /// A reset by a register of the board's own.
    DeviceSpecific,
    /// A reset from above.
    Sbr,
    /// A loss of power.
    Power,
    /// Nothing but a command of the test.
    Command,
}

/// A fault that begins now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What ends it.
    pub until: Until,
}

/// Something that can be stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Stuck {
    /// It is not.
    Normal,
    /// It is.
    Stuck {
        /// What ends it.
        until: Until,
    },
}

/// What reads through a function's BARs give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Bars {
    /// The registers.
    #[default]
    Normal,
    /// All ones.
    AllOnes {
        /// What ends it.
        until: Until,
    },
    /// NVIDIA's answer for a unit that does not answer: `badf5040`.
    BadFive {
        /// What ends it.
        until: Until,
    },
}

/// Which serial number a function gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Serial {
    /// Its own.
    #[default]
    Own,
    /// This one from its next reset on.
    AfterReset {
        /// The number.
        number: u64,
    },
}

/// How late reads of configuration space are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigDelay {
    /// By how many milliseconds: 0 for not at all, at most [`ConfigDelay::LONGEST_MS`].
    pub ms: u64,
    /// For how many reads; without it for all that come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<u32>,
}

impl ConfigDelay {
    /// QEMU drops a connection whose answer takes 5 s: a second is left for everything else.
    pub const LONGEST_MS: u64 = 4000;
}

/// One line from the fake.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// Whether it was done.
    pub ok: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The functions' states, for [`Command::State`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<FunctionState>,
}

impl Reply {
    /// It was done.
    #[must_use]
    pub fn done() -> Self {
        Self {
            ok: true,
            ..Self::default()
        }
    }

    /// It was not, and why.
    #[must_use]
    pub fn refused(error: &ControlError) -> Self {
        Self {
            error: Some(error.to_string()),
            ..Self::default()
        }
    }
}

/// A function as it is, whatever its configuration space says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionState {
    /// Its number.
    pub function: u8,
    /// How it answers.
    pub presence: Presence,
    /// Its power state.
    pub power_state: PowerState,
    /// How often it was asked for an FLR.
    pub flr: u32,
    /// How often a return from D3hot to D0 should have reset it.
    pub pm: u32,
    /// How often a register of the board's own should have reset it.
    pub device_specific: u32,
    /// How often it was reset from above.
    pub sbr: u32,
    /// How often it got power back after losing it.
    pub power_cycles: u32,
    /// How often its configuration space was in truth reset, by whatever: a reset that it ignores or does not survive does not
    /// count.
    pub config_resets: u32,
    /// How often what is behind its BARs was in truth reset, which is never without the former.
    pub device_resets: u32,
    /// What reads through its BARs give, once it decodes them.
    pub bars: Bars,
    /// Whether it says that transactions are pending, and cannot stop.
    pub pending: bool,
    /// Whether it gives the serial number of another GPU.
    pub is_other: bool,
}

impl FunctionState {
    /// Whether a machine could use the function, as far as the silicon is concerned, and it is the one that it was.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.presence == Presence::Ready
            && self.power_state == PowerState::D0
            && self.bars == Bars::Normal
            && !self.pending
            && !self.is_other
    }
}

/// How a function answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// As it should.
    Ready,
    /// With RRS.
    NotReady,
    /// Not at all.
    Absent,
    /// Nobody is connected: it has no power.
    Unpowered,
}

/// A function's power state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PowerState {
    /// D0.
    D0,
    /// D3hot.
    D3hot,
}

/// A request that is refused.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Not a request in JSON.
    #[error("request `{line}`: {cause}")]
    Syntax {
        /// The line.
        line: String,
        /// What is wrong with it.
        cause: serde_json::Error,
    },
    /// A function that the board does not have.
    #[error("function {function}: the board has {count}")]
    NoSuchFunction {
        /// The number given.
        function: u8,
        /// How many functions there are.
        count: usize,
    },
    /// Power for one function.
    #[error("power is the whole board's: leave out function {0}")]
    PowerIsShared(u8),
    /// A mark with a line break, which would forge lines of the log.
    #[error("a mark is one line")]
    MarkWithLineBreak,
    /// A delay that QEMU would take for a lost connection.
    #[error("config_delay of {0} ms: the longest is {longest} ms", longest = ConfigDelay::LONGEST_MS)]
    DelayTooLong(u64),
    /// The access log cannot be written.
    #[error("cannot write the access log: {0}")]
    Log(std::io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Request, serde_json::Error> {
        serde_json::from_str(line)
    }

    #[test]
    fn the_documented_lines_are_requests() {
        let request = parse(r#"{"command":{"flr":{"hang":{"ms":3000}}},"function":1}"#).unwrap();
        assert_eq!(request.command, Command::Flr(Reset::Hang { ms: 3000 }));
        assert_eq!(request.function, Some(1));
        let request = parse(r#"{"command":{"sbr":"partial"},"function":1}"#).unwrap();
        assert_eq!(request.command, Command::Sbr(Reset::Partial));
        let request = parse(r#"{"command":{"flr":{"dies":{"ms":250}}}}"#).unwrap();
        assert_eq!(request.command, Command::Flr(Reset::Dies { ms: 250 }));
        let request = parse(r#"{"command":"state"}"#).unwrap();
        assert_eq!(request.command, Command::State);
        let request = parse(r#"{"command":{"die":{"until":"power"}}}"#).unwrap();
        assert_eq!(request.command, Command::Die(Fault { until: Until::Power }));
    }

    #[test]
    fn a_misspelt_field_is_refused_not_ignored() {
        let error = parse(r#"{"command":"state","functoin":1}"#).unwrap_err();
        assert!(error.to_string().contains("functoin"), "{error}");
        let error = parse(r#"{"command":{"config_delay":{"ms":1,"read":1}}}"#).unwrap_err();
        assert!(error.to_string().contains("read"), "{error}");
    }
}
