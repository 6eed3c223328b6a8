//! The ladder: observations and time in, actions out.
//!
//! A [`Recovery`] asks the [rule](crate::decision) for a rung, works through the rung's operations,
//! has the GPU's functions verified, writes down what came of it, looks at them again and asks the
//! rule again, until they are verified or nothing is left. It does nothing itself: whoever
//! drives it carries out an [`Order`] at a time and tells the answer.
//!
//! - Recovered means two things. Marks that were placed before the last reset are gone after it, as far as the
//!   [witness](crate::witness) has to prove it. And a [`Verdict::Verified`](crate::health::Verdict) was given after it, twice:
//!   at once, and when the functions have settled.
//! - A GPU that is well and whose reset is not proven is not recovered, nor is it quarantined for that.
//! - Every order has a deadline. An answer that is not there by then is [`Observation::Blocked`];
//!   what comes later is for nobody.
//! - While the port says that its link is not active, nothing is done to the function.
//! - A rung that has failed after it removed functions, or may have removed some of them, first waits
//!   for their link and puts them back, as far as they come back.
//! - When the kernel does not come back from an operation that changes something, no further one
//!   is begun in the domain: what is stuck there may yet go on.
//! - Every end has a reason. No rung is begun twice, every wait has a limit.
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
