//! What the stories share: the stage on which they are played, the cast, and what can be seen from outside.
//!
//! Nothing here links reseat: its programs are run as they are installed, and its report is read as JSON.

pub mod accesses;
pub mod cost;
mod scene;
mod stage;

pub use scene::{Gpu, Running, Scene};
pub use stage::{NoStage, Rules, Stage};
