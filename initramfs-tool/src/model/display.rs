//! The signs that a GPU drives a display: not that it could, but that a picture would be lost.

use std::fmt;

use reseat_core::address::FunctionAddress;
use reseat_core::header::ClassCode;
use serde::{Deserialize, Serialize};

use crate::model::finding::{Finding, Subject, id};

/// A sign that a function shows a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign {
    /// The function that shows it.
    pub function: FunctionAddress,
    /// The kind of sign.
    pub kind: SignKind,
}

/// The kind of sign that a function shows a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignKind {
    /// The firmware's framebuffer is in its memory.
    Framebuffer(Framebuffer),
    /// The kernel's text console is on it, as on every VGA device since 1987.
    TextConsole,
    /// Its own driver shows a picture: `fb0`.
    Device(String),
}

/// A framebuffer by the firmware that the kernel has as a platform device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Framebuffer {
    /// The platform device: `efi-framebuffer.0`.
    pub device: String,
    /// The driver that uses it, if any: `efi-framebuffer`.
    pub driver: Option<String>,
}

/// Returns true if a function of this class can have a display: VGA-compatible controllers, and other display
/// controllers, the class of graphics without VGA registers. 3D controllers (0302) have no outputs.
pub fn may_have_outputs(class: ClassCode) -> bool {
    class.is_display_controller() && !class.is_3d_controller()
}

impl Sign {
    /// The sign as a note.
    pub fn finding(&self) -> Finding {
        let note = |id| Finding::note(id, Subject::function(self.function));
        match &self.kind {
            SignKind::Framebuffer(Framebuffer { device, driver }) => {
                let note = note(id::DISPLAY_FRAMEBUFFER).with("framebuffer", device);
                match driver {
                    Some(driver) => note.with("driver", driver),
                    None => note,
                }
            }
            SignKind::TextConsole => note(id::DISPLAY_TEXT_CONSOLE),
            SignKind::Device(device) => note(id::DISPLAY_DRIVER).with("device", device),
        }
    }
}

impl fmt::Display for Framebuffer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.driver {
            Some(driver) => write!(formatter, "{} on driver {driver}", self.device),
            None => formatter.write_str(&self.device),
        }
    }
}
