//! The comparison with the baseline, aspect by aspect.

use super::{Aspect, Boot, Condition, Errors, ErrorsAt, Examination, Finding, LinkReading, NotRead, Note, Reading};
use crate::capability::express::DeviceControl;
use crate::capability::power_management::PowerState;
use crate::capability::serial_number::SerialNumber;
use crate::header::Identity;

/// Compares `now` with `baseline`, and the errors with those counted `before`.
///
/// After a reset, `before` was counted directly before it: the earlier errors of a sick function are not a fault of the
/// reset. Without a reset, `before` is the baseline's own count.
pub fn judge(baseline: &Condition, before: &Reading<Errors>, now: &Condition) -> Examination {
    let mut examination = Examination::default();
    let to = &mut examination;
    to.witness(Aspect::Identity, &baseline.identity, &now.identity, identity);
    // If it was all-ones while the function was well, it cannot identify a dead one.
    if baseline.word_at_f0 != Reading::AllOnes {
        to.witness(Aspect::WordAtF0, &baseline.word_at_f0, &now.word_at_f0, word_at_f0);
    }
    to.compare(Aspect::Power, &baseline.power, &now.power, power);
    to.witness(Aspect::Bars, &baseline.bars, &now.bars, bars);
    to.witness(Aspect::BarSizes, &baseline.bar_sizes, &now.bar_sizes, bar_sizes);
    to.witness(
        Aspect::MemoryDecode,
        &baseline.memory_decode,
        &now.memory_decode,
        memory_decode,
    );
    to.compare(
        Aspect::DeviceControl,
        &baseline.device_control,
        &now.device_control,
        device_control,
    );
    to.compare(
        Aspect::Transactions,
        &baseline.transactions_pending,
        &now.transactions_pending,
        transactions,
    );
    to.compare(Aspect::Link, &baseline.link, &now.link, link);
    to.witness(Aspect::Errors, before, &now.errors, errors);
    to.compare(
        Aspect::VendorRegister,
        &baseline.vendor_register,
        &now.vendor_register,
        vendor_register,
    );
    to.compare(Aspect::Boot, &baseline.boot, &now.boot, boot);
    // Nothing is missing if the device reported no number while it was well, or if its baseline was recorded without
    // one.
    let gave_one = !matches!(
        baseline.serial_number,
        Reading::None | Reading::NotRead(NotRead::Failed | NotRead::NotRecorded)
    );
    if gave_one {
        to.witness(
            Aspect::SerialNumber,
            &baseline.serial_number,
            &now.serial_number,
            serial_number,
        );
    }
    examination
}

impl Examination {
    /// Compares an optional feature: if the function never had it, nothing is missing.
    fn compare<T>(
        &mut self,
        aspect: Aspect,
        baseline: &Reading<T>,
        now: &Reading<T>,
        differ: impl FnOnce(&mut Self, Option<&T>, &T),
    ) {
        match (baseline, now) {
            (Reading::None, Reading::None) => {}
            _ => self.witness(aspect, baseline, now, differ),
        }
    }

    /// Compares a feature of every function. `differ` gets the current value and the former one if it is known, since
    /// some values are wrong by themselves.
    fn witness<T>(
        &mut self,
        aspect: Aspect,
        baseline: &Reading<T>,
        now: &Reading<T>,
        differ: impl FnOnce(&mut Self, Option<&T>, &T),
    ) {
        match (baseline, now) {
            (Reading::Value(was), Reading::Value(is)) => differ(self, Some(was), is),
            (Reading::Value(_), Reading::None) => self.find(Finding::Gone(aspect)),
            (_, Reading::NotRead(why)) => self.miss(aspect, *why),
            // Wrong by itself, whatever it was before.
            (Reading::Value(_) | Reading::None | Reading::NotRead(_), Reading::AllOnes) => {
                self.find(Finding::AllOnes(aspect));
            }
            (_, Reading::Value(is)) => {
                differ(self, None, is);
                self.miss(aspect, NotRead::NotRecorded);
            }
            (_, Reading::None | Reading::AllOnes) => self.miss(aspect, NotRead::NotRecorded),
        }
    }

    fn find(&mut self, finding: Finding) {
        // The room is computed at the field's declaration.
        let _fits = self.findings.push(finding);
    }

    fn note(&mut self, note: Note) {
        let _fits = self.notes.push(note);
    }

    fn miss(&mut self, aspect: Aspect, why: NotRead) {
        if !self.missing.contains(aspect) {
            let _fits = self.reasons.push((aspect, why));
        }
        self.missing = self.missing.with(aspect);
        if why.lasting() {
            self.lasting = self.lasting.with(aspect);
        }
    }
}

fn word_at_f0(to: &mut Examination, was: Option<&u16>, is: &u16) {
    // A reader may return all-ones as a value; it is still not trusted.
    if *is == u16::MAX && was != Some(&u16::MAX) {
        to.find(Finding::AllOnes(Aspect::WordAtF0));
    }
}

fn identity(to: &mut Examination, was: Option<&Identity>, is: &Identity) {
    if *is == Identity::from_register(u32::MAX) {
        to.find(Finding::AllOnes(Aspect::Identity));
    } else if was.is_some_and(|was| was != is) {
        to.find(Finding::OtherIdentity(*is));
    }
}

fn power(to: &mut Examination, _: Option<&PowerState>, is: &PowerState) {
    if *is != PowerState::D0 {
        to.find(Finding::NotInD0(*is));
    }
}

/// The fixed bits of a BAR: I/O or memory, width, prefetchable.
const fn kind(bar: u32) -> u32 {
    match bar & 1 {
        1 => bar & 0x3,
        _ => bar & 0xf,
    }
}

fn bars(to: &mut Examination, was: Option<&[u32; 6]>, is: &[u32; 6]) {
    let Some(was) = was else { return };
    let mut registers = (0_u8..).zip(was.iter().copied().zip(is.iter().copied()));
    while let Some((bar, (was, is))) = registers.next() {
        // A 64-bit BAR uses the next register for its upper half; the baseline's kind decides.
        let upper = if kind(was) & 0x7 == 4 { registers.next() } else { None };
        let (was_upper, is_upper) = upper.map_or((0, 0), |(_, halves)| halves);
        compare_bar(to, bar, (was, was_upper), (is, is_upper));
    }
}

fn compare_bar(to: &mut Examination, bar: u8, was: (u32, u32), is: (u32, u32)) {
    let placed = |(low, upper): (u32, u32)| low & !0xf != 0 || upper != 0;
    if is.0 == u32::MAX || is.1 == u32::MAX || placed(was) && !placed(is) {
        to.find(Finding::BarLost { bar });
    } else if was == is {
    } else if kind(was.0) != kind(is.0) {
        to.find(Finding::BarChanged { bar });
    } else {
        to.note(Note::BarMoved { bar });
    }
}

fn bar_sizes(to: &mut Examination, was: Option<&[u8; 6]>, is: &[u8; 6]) {
    let Some(was) = was else { return };
    for (bar, (&was, &is)) in (0_u8..).zip(was.iter().zip(is)) {
        if was != is {
            to.find(Finding::BarResized { bar, was, is });
        }
    }
}

fn memory_decode(to: &mut Examination, was: Option<&bool>, is: &bool) {
    if was == Some(&true) && !*is {
        to.find(Finding::MemoryDecodeOff);
    }
}

fn device_control(to: &mut Examination, was: Option<&DeviceControl>, is: &DeviceControl) {
    let Some(was) = was else { return };
    let (was, is) = (was.max_payload_size(), is.max_payload_size());
    if was != is {
        to.find(Finding::PayloadSizeChanged { was, is });
    }
}

fn transactions(to: &mut Examination, _: Option<&bool>, is: &bool) {
    if *is {
        to.find(Finding::TransactionsPending);
    }
}

/// The width has to match. A lower speed is harmless: idle GPUs save power with it.
fn link(to: &mut Examination, was: Option<&LinkReading>, is: &LinkReading) {
    match (was, is) {
        (_, LinkReading::Inactive) => to.find(Finding::LinkInactive),
        // A baseline of a link that was down is not usable.
        (Some(LinkReading::Inactive), LinkReading::Active { .. }) => to.miss(Aspect::Link, NotRead::NotRecorded),
        (None, LinkReading::Active { .. }) => {}
        (
            Some(&LinkReading::Active {
                width: was,
                speed: before,
            }),
            &LinkReading::Active { width: is, speed: now },
        ) => {
            if is < was {
                to.find(Finding::LinkNarrower { was, is });
            }
            if now < before {
                let (was, is) = (before, now);
                to.note(Note::LinkSlower { was, is });
            }
        }
    }
}

/// A counter is no evidence if it is missing, gone, or inconsistent with its former count.
fn errors(to: &mut Examination, was: Option<&Errors>, is: &Errors) {
    let Some(was) = was else { return };
    let gone = |before: &ErrorsAt| is.iter().all(|is| is.at != before.at);
    if is.is_empty() || was.is_empty() || was.iter().any(gone) {
        to.miss(Aspect::Errors, NotRead::Failed);
    }
    for is in is {
        match is.since(was.iter().find(|was| was.at == is.at).copied()) {
            Some(new) if new.fatal > 0 || new.non_fatal > 0 => to.find(Finding::NewErrors(new)),
            Some(_) => {}
            None => to.miss(Aspect::Errors, NotRead::Failed),
        }
    }
}

fn vendor_register(to: &mut Examination, was: Option<&u32>, &is: &u32) {
    match was {
        _ if is == u32::MAX => to.find(Finding::AllOnes(Aspect::VendorRegister)),
        Some(&was) if was != is => to.find(Finding::VendorRegister { was, is }),
        Some(_) | None => {}
    }
}

fn serial_number(to: &mut Examination, was: Option<&SerialNumber>, &is: &SerialNumber) {
    if let Some(&was) = was.filter(|was| **was != is) {
        to.find(Finding::OtherSerialNumber { was, is });
    }
}

fn boot(to: &mut Examination, _: Option<&Boot>, is: &Boot) {
    if *is == Boot::Incomplete {
        to.find(Finding::BootIncomplete);
    }
}
