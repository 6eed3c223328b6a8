//! The recovery state machine: observations and time in, actions out.
//!
//! A [`Recovery`] asks the [rule](crate::decision) for a rung, executes the rung's operations, has the functions
//! verified and records the outcome. It then checks them again and asks the rule again, until they are verified or no
//! rung is left. It does nothing itself: the driver carries out one [`Order`] at a time and reports the answer.
//!
//! - Recovered means two things. Marks that were placed before the last reset are gone after it, as far as the
//!   [witness](crate::witness) has to prove it. And two [`Verdict::Verified`](crate::health::Verdict) followed it: one
//!   at once, and one after the functions have settled.
//! - A GPU that is well but whose reset is not proven is neither recovered nor quarantined.
//! - Every order has a deadline. A missing answer becomes [`Observation::Blocked`], and a later answer is ignored.
//! - While the port reports that its link is not active, no operation touches the function.
//! - A rung that fails after it removed functions, or may have removed some, first waits for their link and then puts
//!   back those that return.
//! - If the kernel hangs in an operation that changes something, no further operation starts in the domain: the hung
//!   one may still continue.
//! - Every end has a reason. No rung starts twice, and every wait has a limit.
//!
//! ```
//! # use core::time::Duration;
//! # use reseat_core::decision::*;
//! # use reseat_core::topology::{Fabric, function::HotplugOwner};
//! # use reseat_core::presence::PortLink;
//! use reseat_core::recovery::{Action, Observation, Operation, Progress, Recovery};
//!
//! # let surroundings = Surroundings {
//! #     fabric: Fabric::None, exclusivity: Exclusivity::Exclusive, not_exclusive: None, hotplug: HotplugOwner::Os,
//! #     link: PortLink::Active, answer: Answer::Ready,
//! #     flr: Availability::Available, flr_reach: FlrReach::All, pm: Availability::Unavailable,
//! #     secondary_bus_reset: Availability::Available, bus_reset: BusReset::Allowed,
//! #     slot_power: SlotPower::None, reported: Reported::NOTHING,
//! # };
//! # let known = Known {
//! #     usage: Use::Free, tdi: Tdi::Unlocked, bmc: Bmc::NotConfigured, reset_class: ClassHistory::Unknown,
//! #     in_place: ClassHistory::Unknown, in_place_shows: true, own_means: OwnMeans::NONE,
//! #     sickness: Sickness::new(), preference: Preference::Rule, highest: Rung::SlotPower, only: None,
//! # };
//! # let facts = Facts { surroundings, known };
//! # let mut now = Duration::ZERO;
//! let mut recovery = Recovery::new(now, facts, Tried::none());
//! match recovery.poll(now) {
//!     Ok(Progress::Do(order)) => {
//!         assert_eq!(order.action, Action::Do(Operation::ReadLink));
//!         recovery.tell(now, order.ticket, Observation::Link(PortLink::Active));
//!     }
//!     Ok(Progress::Ended(end)) => println!("{end}"),
//!     Err(nb::Error::WouldBlock) => { /* until `recovery.waiting()` says, or an answer is there */ }
//!     Err(nb::Error::Other(never)) => match never {},
//! }
//! ```

mod action;
mod answer;
mod climb;
mod end;
mod machine;
mod position;
mod script;
mod state;
mod survey;
mod wait;

pub use self::action::{Action, Heard, Order, Progress, Ticket};
pub use self::answer::{Failure, Marked, Observation, Trouble};
pub use self::end::{ClassChange, End, Outcome, Quarantine, Reason, Record};
pub use self::machine::{Awaited, Recovery, Waiting};
pub use self::wait::{TimedOut, Wait};
pub use crate::ladder::operation::Operation;
pub use crate::ladder::timing::{
    LINK_DETECT_TIME, LINK_LIMIT, REAPPEARANCE_LIMIT, RRS_LIMIT, SETTLE_TIME, SLOT_POWER_OFF_TIME, STALL_MARGIN,
    TIME_AFTER_LINK_ACTIVE, TIME_WITHOUT_LINK_REPORT, Waits,
};
