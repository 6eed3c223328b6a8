//! The Power Budgeting capability.
//!
//! | offset | register | bits |
//! | --- | --- | --- |
//! | 0 | header | |
//! | 4 | Power Budgeting Data Select | 7:0 |
//! | 8 | Power Budgeting Data | 31:0 |
//! | c | Power Budgeting Capability | 7:0 |
//!
//! Linux neither writes Data Select nor saves it across a reset, so a value in it shows if a reset took place: see
//! [`witness`](crate::witness).

use super::view::{View, ViewError};
use super::{ExtendedId, taken_from_list};
use crate::config::{ByteOffset, ConfigRead, Offset};

const DATA_SELECT: Offset = Offset::at::<0x04>();

/// A function's Power Budgeting capability.
#[derive(Clone, Debug)]
pub struct PowerBudgeting<R> {
    view: View<R, ExtendedId>,
}

taken_from_list!(PowerBudgeting, ExtendedId::POWER_BUDGETING);

impl<R: ConfigRead> PowerBudgeting<R> {
    /// The index of the entry that Power Budgeting Data shows. One read.
    ///
    /// # Errors
    ///
    /// [`ViewError`], also for a register that reads all-ones: its upper 24 bits are reserved.
    pub fn data_select(&mut self) -> Result<u8, ViewError<R::Error>> {
        let [select, ..] = self.view.read_answer(DATA_SELECT)?.to_le_bytes();
        Ok(select)
    }

    /// The offset of Data Select in configuration space; `None` where the capability is cut off before it. No read.
    pub fn data_select_offset(&self) -> Option<ByteOffset> {
        if self.view.length() <= DATA_SELECT.get() {
            return None;
        }
        let at = self.view.capability().offset().forward(DATA_SELECT.get())?;
        ByteOffset::new(at.get()).ok()
    }
}
