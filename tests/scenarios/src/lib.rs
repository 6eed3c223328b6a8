//! What the stories share: the stage on which they are played, the cast, and what can be seen from outside.
//!
//! Nothing here links reseat: its programs are run as they are installed, and its report is read as JSON.

pub mod accesses;
pub mod boot_cost;
pub mod claims;
pub mod contract;
pub mod cost;
pub mod disk_io;
pub mod faults;
mod gpu;
mod heal;
mod job;
mod layout;
mod oracle;
mod pinned;
pub mod port_writes;
pub mod random;
pub mod recovery;
pub mod recovery_cost;
mod scene;
mod shared;
mod stage;

pub use gpu::Gpu;
pub use job::{Ended, Job};
pub use layout::Place;
pub use oracle::{Reach, SETTLED};
pub use scene::{Firmware, Running, Scene};
pub use shared::{Extent, Played, Shared, Story};
pub use stage::{Need, NoStage, Rules, Stage};
