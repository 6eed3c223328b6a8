//! What a recovery says while it goes on, and how it ends.

use std::fmt;
use std::time::Duration;

use reseat_core::address::FunctionAddress;
use reseat_core::decision::{Branch, Next, Rung, Skipped};
use reseat_core::recovery::{End, Quarantine, Record};
use serde::Serialize;

use super::Step;

/// Something that is told as it happens. Its JSON form is one line of `reseat recover --json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// Words on what was found before anything was done.
    Found {
        /// One thing each.
        words: Vec<String>,
    },
    /// The rule was asked.
    Decided {
        /// Which branch applied.
        branch: Branch,
        /// Which rung comes; none if the ladder ends.
        rung: Option<Rung>,
        /// The rungs that were passed over, and why.
        skipped: Vec<Skipped>,
    },
    /// What would be done, of a recovery that is only planned: these rungs, one after the other, while none helps.
    Planned {
        /// The rungs.
        rungs: Vec<Planned>,
        /// The rungs that would not come, and why.
        skipped: Vec<Skipped>,
        /// What comes when they are through.
        then: Next,
    },
    /// An operation begins.
    Began {
        /// Of which rung.
        rung: Option<Rung>,
        /// Which.
        operation: Step,
        /// How long it may take, in milliseconds.
        limit_ms: u64,
    },
    /// An operation has ended.
    Ended {
        /// Which.
        operation: Step,
        /// How long it took, in milliseconds.
        took_ms: u64,
        /// What it brought, in words.
        observation: String,
        /// What else there is to say.
        words: Vec<String>,
    },
    /// Nothing is done for a while.
    Waiting {
        /// On which rung.
        rung: Option<Rung>,
        /// For what.
        what: &'static str,
        /// For how long at most, in milliseconds.
        limit_ms: u64,
    },
    /// A rung has ended.
    Recorded {
        /// What came of it.
        record: Record,
    },
    /// The recovery has ended.
    Done {
        /// How.
        end: End,
        /// The same in words.
        text: String,
        /// What is left to do, in words.
        advice: Option<String>,
        /// How long all of it took, in milliseconds.
        took_ms: u64,
    },
}

/// A rung that would come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Planned {
    /// Which.
    pub rung: Rung,
    /// Whom it would hit.
    pub hits: Vec<FunctionAddress>,
    /// How long the kernel may stay in it without a word, in milliseconds, where that is long.
    pub limit_ms: Option<u64>,
}

/// A time as reports have it.
pub(crate) fn whole_milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found { words } => f.write_str(&words.join("\n")),
            Self::Decided { branch, rung, skipped } => {
                match rung {
                    Some(rung) => write!(f, "{branch}: {rung}")?,
                    None => write!(f, "{branch}: no rung")?,
                }
                for Skipped { rung, why } in skipped {
                    write!(f, "\n  not {rung}: {why}")?;
                }
                Ok(())
            }
            Self::Planned { rungs, skipped, then } => {
                f.write_str("while none of them helps:")?;
                for (number, Planned { rung, hits, limit_ms }) in (1..).zip(rungs) {
                    let hits: Vec<String> = hits.iter().map(ToString::to_string).collect();
                    write!(f, "\n  {number}. {rung}: hits {}", hits.join(", "))?;
                    if let Some(limit) = limit_ms {
                        write!(f, "; the kernel may stay in it for {}", Milliseconds(*limit))?;
                    }
                }
                for Skipped { rung, why } in skipped {
                    write!(f, "\n  {rung}: skipped: {why}")?;
                }
                // Where it helps, detach-SBR does; what is dead it leaves dead, and calls that a success.
                f.write_str(
                    "\n  VFIO hot reset: skipped: detach-SBR resets the same, and restores nothing to what is dead",
                )?;
                match then {
                    Next::Refuse(refusal) => write!(f, "\n  then nothing more: {refusal}"),
                    _ => f.write_str("\n  then out of service"),
                }
            }
            Self::Began {
                operation, limit_ms, ..
            } => write!(f, "  {operation} (at most {})", Milliseconds(*limit_ms)),
            Self::Ended {
                operation,
                took_ms,
                observation,
                words,
            } => {
                write!(f, "  {operation}: {observation} ({})", Milliseconds(*took_ms))?;
                words.iter().try_for_each(|words| write!(f, "\n    {words}"))
            }
            Self::Waiting { what, limit_ms, .. } => {
                write!(f, "  waiting for {what} (at most {})", Milliseconds(*limit_ms))
            }
            Self::Recorded { record } => write!(f, "{}: {}", record.rung, record.outcome),
            Self::Done {
                text, took_ms, advice, ..
            } => {
                write!(f, "{text} ({})", Milliseconds(*took_ms))?;
                advice.iter().try_for_each(|advice| write!(f, "\n{advice}"))
            }
        }
    }
}

struct Milliseconds(u64);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            short @ ..1000 => write!(f, "{short} ms"),
            long => write!(f, "{}.{} s", long / 1000, long % 1000 / 100),
        }
    }
}

/// How `reseat recover` exits. The numbers are promised to whoever scripts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitStatus {
    /// Recovered, and verified.
    Recovered = 0,
    /// It could not be begun, or reseat itself failed.
    Error = 1,
    /// Nothing was found wrong, but not everything could be compared: not recovered.
    Unverified = 3,
    /// Refused: nothing was done, or nothing more.
    Refused = 4,
    /// The GPU is out of service.
    OutOfService = 5,
    /// It ought to be out of service, and could not be taken out of it.
    NotQuarantined = 6,
}

impl From<End> for ExitStatus {
    fn from(end: End) -> Self {
        match end {
            End::Recovered { .. } => Self::Recovered,
            End::Unverified { .. } => Self::Unverified,
            End::Refused(_) => Self::Refused,
            End::OutOfService { quarantine, .. } => match quarantine {
                Quarantine::Done => Self::OutOfService,
                Quarantine::Failed(_) => Self::NotQuarantined,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use reseat_core::decision::SkipReason;

    use super::*;

    #[test]
    fn a_plan_says_which_rungs_are_skipped_and_why() {
        let planned = Event::Planned {
            rungs: vec![Planned {
                rung: Rung::KernelFlr,
                hits: vec!["0000:01:00.0".parse().unwrap()],
                limit_ms: Some(80_000),
            }],
            skipped: vec![Skipped {
                rung: Rung::BmcPower,
                why: SkipReason::NotConfigured,
            }],
            then: Next::Quarantine,
        };
        assert_eq!(
            planned.to_string(),
            "while none of them helps:\n  \
             1. kernel FLR: hits 0000:01:00.0; the kernel may stay in it for 80.0 s\n  \
             power by the BMC: skipped: not configured\n  \
             VFIO hot reset: skipped: detach-SBR resets the same, and restores nothing to what is dead\n  \
             then out of service"
        );
    }
}
