//! Readings of a function, as baselines and journals keep them.

use reseat_core::address::FunctionAddress;
use reseat_core::capability::express::{DeviceControl, LinkSpeed};
use reseat_core::capability::serial_number::SerialNumber;
use reseat_core::header::Identity;
use reseat_core::health::{Condition, Errors, ErrorsAt, LinkReading, Reading, count};
use serde::{Deserialize, Serialize};

use super::Wire;
use super::names::{BootName, CounterName, NotReadName, PowerStateName};

/// A reading. `value` is null but of `value`, and `why` but of `not-read`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ReadingForm<T> {
    kind: ReadingKind,
    value: Option<T>,
    why: Option<NotReadName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ReadingKind {
    Value,
    AllOnes,
    None,
    NotRead,
}

fn to_form<T, F>(reading: &Reading<T>, form: impl FnOnce(&T) -> F) -> ReadingForm<F> {
    let (kind, value, why) = match reading {
        Reading::Value(value) => (ReadingKind::Value, Some(form(value)), None),
        Reading::AllOnes => (ReadingKind::AllOnes, None, None),
        Reading::None => (ReadingKind::None, None, None),
        Reading::NotRead(why) => (ReadingKind::NotRead, None, Some(why.to_form())),
    };
    ReadingForm { kind, value, why }
}

fn from_form<T, F>(form: ReadingForm<F>, value: impl FnOnce(F) -> Option<T>) -> Option<Reading<T>> {
    Some(match form.kind {
        ReadingKind::Value => Reading::Value(value(form.value?)?),
        ReadingKind::AllOnes => Reading::AllOnes,
        ReadingKind::None => Reading::None,
        ReadingKind::NotRead => Reading::NotRead(Wire::from_form(form.why?)?),
    })
}

impl<T: Wire> Wire for Reading<T> {
    type Form = ReadingForm<T::Form>;

    fn to_form(&self) -> Self::Form {
        to_form(self, T::to_form)
    }

    fn from_form(form: Self::Form) -> Option<Self> {
        from_form(form, T::from_form)
    }
}

/// The counts of one function or port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErrorsAtForm {
    at: FunctionAddress,
    counter: CounterName,
    fatal: u64,
    non_fatal: u64,
}

impl Wire for Errors {
    type Form = Vec<ErrorsAtForm>;

    fn to_form(&self) -> Self::Form {
        let counts = self.iter().map(|counted| ErrorsAtForm {
            at: counted.at,
            counter: counted.counter.to_form(),
            fatal: counted.fatal,
            non_fatal: counted.non_fatal,
        });
        counts.collect()
    }

    fn from_form(form: Self::Form) -> Option<Self> {
        let mut errors = Self::new();
        for counted in form {
            let counted = ErrorsAt {
                at: counted.at,
                counter: Wire::from_form(counted.counter)?,
                fatal: counted.fatal,
                non_fatal: counted.non_fatal,
            };
            count(&mut errors, counted);
        }
        Some(errors)
    }
}

/// A link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum LinkForm {
    Active {
        width: u8,
        /// Nothing of a speed that has no name yet.
        speed_gt_s: Option<f32>,
        /// The code of a speed that has no name yet.
        speed_code: Option<u8>,
    },
    Inactive,
}

const SPEEDS: [(LinkSpeed, f32); 6] = [
    (LinkSpeed::Gt2_5, 2.5),
    (LinkSpeed::Gt5, 5.0),
    (LinkSpeed::Gt8, 8.0),
    (LinkSpeed::Gt16, 16.0),
    (LinkSpeed::Gt32, 32.0),
    (LinkSpeed::Gt64, 64.0),
];

impl Wire for LinkReading {
    type Form = LinkForm;

    fn to_form(&self) -> LinkForm {
        match self {
            Self::Active { width, speed } => LinkForm::Active {
                width: *width,
                speed_gt_s: SPEEDS.iter().find(|(known, _)| known == speed).map(|(_, speed)| *speed),
                speed_code: match speed {
                    LinkSpeed::Other(code) => Some(*code),
                    _ => None,
                },
            },
            Self::Inactive => LinkForm::Inactive,
        }
    }

    fn from_form(form: LinkForm) -> Option<Self> {
        let LinkForm::Active {
            width,
            speed_gt_s,
            speed_code,
        } = form
        else {
            return Some(Self::Inactive);
        };
        let mut named = SPEEDS
            .iter()
            .filter(|(_, speed)| speed_gt_s.is_some_and(|known| known.to_bits() == speed.to_bits()));
        let speed = named.next().map(|(speed, _)| *speed);
        let speed = speed.or_else(|| speed_code.map(LinkSpeed::Other))?;
        Some(Self::Active { width, speed })
    }
}

/// A register's value, as text of hexadecimal digits.
fn hex(value: u32, digits: usize) -> String {
    format!("0x{value:0digits$x}")
}

fn number(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// All that was read of a function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StateForm {
    identity: ReadingForm<Identity>,
    word_at_f0: ReadingForm<String>,
    power: ReadingForm<PowerStateName>,
    bars: ReadingForm<[String; 6]>,
    /// As powers of two, 0 for none.
    bar_sizes: ReadingForm<[u8; 6]>,
    memory_decode: ReadingForm<bool>,
    device_control: ReadingForm<String>,
    transactions_pending: ReadingForm<bool>,
    link: ReadingForm<LinkForm>,
    errors: ReadingForm<Vec<ErrorsAtForm>>,
    vendor_register: ReadingForm<String>,
    boot: ReadingForm<BootName>,
    /// Records of earlier versions lack it.
    #[serde(default = "serial_not_recorded")]
    serial_number: ReadingForm<String>,
}

fn serial_not_recorded() -> ReadingForm<String> {
    to_form(&Reading::<SerialNumber>::not_recorded(), SerialNumber::to_string)
}

impl Wire for Condition {
    type Form = StateForm;

    fn to_form(&self) -> StateForm {
        StateForm {
            identity: to_form(&self.identity, |identity| *identity),
            word_at_f0: to_form(&self.word_at_f0, |word| hex(u32::from(*word), 4)),
            power: self.power.to_form(),
            bars: to_form(&self.bars, |bars| bars.map(|bar| hex(bar, 8))),
            bar_sizes: to_form(&self.bar_sizes, |sizes| *sizes),
            memory_decode: to_form(&self.memory_decode, |on| *on),
            device_control: to_form(&self.device_control, |control| hex(u32::from(control.into_bits()), 4)),
            transactions_pending: to_form(&self.transactions_pending, |pending| *pending),
            link: self.link.to_form(),
            errors: self.errors.to_form(),
            vendor_register: to_form(&self.vendor_register, |value| hex(*value, 8)),
            boot: self.boot.to_form(),
            serial_number: to_form(&self.serial_number, SerialNumber::to_string),
        }
    }

    fn from_form(form: StateForm) -> Option<Self> {
        let word = |text: String| u16::try_from(number(&text)?).ok();
        let bars = |bars: [String; 6]| -> Option<[u32; 6]> {
            let bars: Option<Vec<u32>> = bars.iter().map(|bar| number(bar)).collect();
            bars?.try_into().ok()
        };
        Some(Self {
            identity: from_form(form.identity, Some)?,
            word_at_f0: from_form(form.word_at_f0, word)?,
            power: Wire::from_form(form.power)?,
            bars: from_form(form.bars, bars)?,
            bar_sizes: from_form(form.bar_sizes, Some)?,
            memory_decode: from_form(form.memory_decode, Some)?,
            device_control: from_form(form.device_control, |text| word(text).map(DeviceControl::from_bits))?,
            transactions_pending: from_form(form.transactions_pending, Some)?,
            link: Wire::from_form(form.link)?,
            errors: Wire::from_form(form.errors)?,
            vendor_register: from_form(form.vendor_register, |text| number(&text))?,
            boot: Wire::from_form(form.boot)?,
            serial_number: from_form(form.serial_number, |text| text.parse().ok())?,
        })
    }
}
