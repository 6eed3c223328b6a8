//! The Power Budgeting capability.
//!
//! | offset | register | bits |
//! | --- | --- | --- |
//! | 0 | header | |
//! | 4 | Power Budgeting Data Select | 7:0 |
//! | 8 | Power Budgeting Data | 31:0 |
//! | c | Power Budgeting Capability | 7:0 |
//!
//! Linux neither writes Data Select nor saves it across a reset, so its value shows if a reset took place: see
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
    /// The index of the entry in Power Budgeting Data. One read.
    ///
    /// # Errors
    ///
    /// [`ViewError`], also if the register reads all-ones: its upper 24 bits are reserved.
    pub fn data_select(&mut self) -> Result<u8, ViewError<R::Error>> {
        let [select, ..] = self.view.read_answer(DATA_SELECT)?.to_le_bytes();
        Ok(select)
    }

    /// The offset of Data Select in configuration space; `None` if the capability is cut off before it. No read.
    pub fn data_select_offset(&self) -> Option<ByteOffset> {
        if self.view.length() <= DATA_SELECT.get() {
            return None;
        }
        let at = self.view.capability().offset().forward(DATA_SELECT.get())?;
        ByteOffset::new(at.get()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::extended_space::ExtendedSpace;
    use crate::capability::list::ExtendedList;
    use crate::config::{Memory, RegisterError};

    /// A capability with this register at +4, and the next capability at `next`.
    fn space(select: u32, next: u16) -> Memory<[u8; 4096]> {
        let mut bytes = [0; 4096];
        let header = u32::from(next) << 20 | 0x0001_0004;
        bytes[0x100..0x104].copy_from_slice(&header.to_le_bytes());
        bytes[0x104..0x108].copy_from_slice(&select.to_le_bytes());
        if next != 0 {
            let at = usize::from(next);
            bytes[at..at + 4].copy_from_slice(&0x0001_0003_u32.to_le_bytes());
        }
        Memory::new(bytes).unwrap()
    }

    type Found = (Result<u8, ViewError<crate::config::MemoryError>>, Option<ByteOffset>);

    fn read(mut space: Memory<[u8; 4096]>) -> Found {
        let list: ExtendedList<_> = ExtendedList::read(&mut space, ExtendedSpace::assume());
        let mut found = PowerBudgeting::find(&list, &mut space).unwrap();
        (found.data_select(), found.data_select_offset())
    }

    #[test]
    fn data_select_is_the_lowest_byte() {
        let at = Some(ByteOffset::at::<0x104>());
        assert_eq!(read(space(0, 0)), (Ok(0), at));
        assert_eq!(read(space(0x1234_565a, 0x148)), (Ok(0x5a), at));
        // All-ones cannot come from a register with reserved bits.
        assert_eq!(read(space(0x0000_00ff, 0)), (Ok(0xff), at));
        let all_ones = ViewError::Register(RegisterError::AllOnes {
            at: Offset::at::<0x104>(),
        });
        assert_eq!(read(space(u32::MAX, 0)), (Err(all_ones), at));
    }

    #[test]
    fn capability_that_is_cut_off_has_no_data_select() {
        let (select, at) = read(space(0, 0x104));
        assert!(matches!(select, Err(ViewError::BeyondBound { length: 4, .. })));
        assert_eq!(at, None);
    }
}
