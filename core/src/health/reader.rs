//! Reads the part of a function's health that is in configuration space.

use super::{Condition, LinkReading, NotRead, Reading};
use crate::capability::express::Express;
use crate::capability::list::{ListEnd, StandardList};
use crate::capability::power_management::PowerManagement;
use crate::capability::view::ViewError;
use crate::capability::walk::WalkEnd;
use crate::config::{ConfigRead, Offset, RegisterError, halves};
use crate::header::{Common, Header, Identity, Layout};
use crate::presence::Admission;

/// A register that is unlikely to be virtualized, so it exposes a dead function behind a valid header.
const WORD_AT_F0: Offset = Offset::at::<0xf0>();

impl Condition {
    /// Reads the aspects in the function's own configuration space. At most 63 reads, usually about 20; one read if the
    /// function does not answer. The other aspects are as in [`unread`](Self::unread).
    ///
    /// Physical functions only: a virtual function's IDs read all-ones by design.
    pub fn read<R: ConfigRead>(_: Admission, mut reader: R) -> Self {
        let mut observation = Self::unread();
        observation.identity = identity(&mut reader);
        if !matches!(observation.identity, Reading::Value(_)) {
            return observation;
        }
        observation.word_at_f0 = match reader.read(WORD_AT_F0) {
            Ok(register) => match halves(register).0 {
                u16::MAX => Reading::AllOnes,
                word => Reading::Value(word),
            },
            Err(_) => Reading::NotRead(NotRead::Failed),
        };
        match Header::read(&mut reader) {
            Ok(header) => observation.take(&header, reader),
            Err(RegisterError::AllOnes { .. }) => {
                observation.bars = Reading::AllOnes;
                observation.memory_decode = Reading::AllOnes;
            }
            Err(RegisterError::Failed { .. }) => {
                observation.bars = Reading::NotRead(NotRead::Failed);
                observation.memory_decode = Reading::NotRead(NotRead::Failed);
            }
        }
        observation
    }

    fn take<R: ConfigRead>(&mut self, header: &Header, mut reader: R) {
        let Common { command, .. } = header.common;
        self.memory_decode = Reading::Value(command.memory_space());
        self.bars = match &header.layout {
            Layout::Type0(layout) => bars(layout.bars.raw()),
            Layout::Type1(_) | Layout::CardBus(_) | Layout::Unknown => Reading::None,
        };
        let Some(pointer) = header.capability_pointer() else {
            return;
        };
        let list = StandardList::<R::Error>::read(&mut reader, pointer);
        let is_complete = matches!(list.end(), ListEnd::Walked(WalkEnd::Complete));
        self.power = match PowerManagement::find(&list, &mut reader) {
            Some(mut power) => reading(power.control_status().map(|control| control.power_state())),
            None => missing(is_complete),
        };
        match Express::find(&list, &mut reader).map(|mut express| express.device()) {
            Some(device) => match reading(device) {
                Reading::Value((control, status)) => {
                    self.device_control = Reading::Value(control);
                    self.transactions_pending = Reading::Value(status.transactions_pending());
                }
                Reading::AllOnes => {
                    self.device_control = Reading::AllOnes;
                    self.transactions_pending = Reading::AllOnes;
                }
                Reading::None | Reading::NotRead(_) => {
                    self.device_control = Reading::NotRead(NotRead::Failed);
                    self.transactions_pending = Reading::NotRead(NotRead::Failed);
                }
            },
            None => {
                self.device_control = missing(is_complete);
                self.transactions_pending = missing(is_complete);
            }
        }
    }
}

impl LinkReading {
    /// Reads the link state from the port above: two reads, or none if the port has no link.
    pub fn read<R: ConfigRead>(port: &mut Express<R>) -> Reading<Self> {
        let capabilities = match reading(port.link_capabilities()) {
            Reading::Value(Some(capabilities)) => capabilities,
            Reading::Value(None) | Reading::None => return Reading::None,
            Reading::AllOnes => return Reading::AllOnes,
            Reading::NotRead(why) => return Reading::NotRead(why),
        };
        match reading(port.link()) {
            Reading::Value(Some((_, status))) => {
                let is_active = !capabilities.data_link_layer_link_active_reporting_capable()
                    || status.data_link_layer_link_active();
                Reading::Value(if is_active {
                    Self::Active {
                        width: status.negotiated_link_width(),
                        speed: status.current_link_speed(),
                    }
                } else {
                    Self::Inactive
                })
            }
            Reading::Value(None) | Reading::None => Reading::None,
            Reading::AllOnes => Reading::AllOnes,
            Reading::NotRead(why) => Reading::NotRead(why),
        }
    }
}

fn identity<R: ConfigRead>(reader: &mut R) -> Reading<Identity> {
    match reader.read(Offset::at::<0x00>()) {
        Ok(u32::MAX) => Reading::AllOnes,
        Ok(register) => Reading::Value(Identity::from_register(register)),
        Err(_) => Reading::NotRead(NotRead::Failed),
    }
}

fn bars(registers: &[u32]) -> Reading<[u32; 6]> {
    let mut bars = [0; 6];
    if registers.len() != bars.len() {
        return Reading::None;
    }
    for (bar, register) in bars.iter_mut().zip(registers) {
        *bar = *register;
    }
    Reading::Value(bars)
}

/// The reading for a capability that a list lacks.
const fn missing<T>(is_complete: bool) -> Reading<T> {
    if is_complete {
        Reading::None
    } else {
        Reading::NotRead(NotRead::Failed)
    }
}

fn reading<T, E>(register: Result<T, ViewError<E>>) -> Reading<T> {
    match register {
        Ok(value) => Reading::Value(value),
        Err(ViewError::Register(RegisterError::AllOnes { .. })) => Reading::AllOnes,
        Err(_) => Reading::NotRead(NotRead::Failed),
    }
}
