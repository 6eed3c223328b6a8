//! Types without data: a name each.

use reseat_core::capability::power_management::PowerState;
use reseat_core::config::ReadableSize;
use reseat_core::decision::{Branch, BusReset, ClassHistory, Exclusivity, Refusal, Use};
use reseat_core::health::{Aspect, Aspects, Boot, Counter, NotRead};
use reseat_core::presence::PortLink;
use reseat_core::recovery::ClassChange;
use serde::{Deserialize, Serialize};

use super::Wire;

/// Gives a type without data a form whose names are those of its variants.
macro_rules! names {
    ($type:ident as $form:ident { $($variant:ident),* $(,)? }) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub(crate) enum $form {
            $($variant),*
        }

        impl Wire for $type {
            type Form = $form;

            fn to_form(&self) -> $form {
                match self {
                    $(Self::$variant => $form::$variant),*
                }
            }

            fn from_form(form: $form) -> Option<Self> {
                Some(match form {
                    $($form::$variant => Self::$variant),*
                })
            }
        }
    };
}

names!(ReadableSize as ReadableSizeName { Header, Standard, Extended });
names!(Branch as BranchName {
    InUse, TdiLocked, Shared, HotplugNotOurs, NoBusReset, Absent, PreferredFlr, PreferredSbr, NeedsVendorReset, FlrLeavesSome, ClassBad, Sick, ReportedFlr,
    ReportedBusReset, FlrUnknown, Otherwise,
});
names!(Refusal as RefusalName { InUse, UseUnknown, TdiLocked, FabricUnknown, NoReset });
names!(BusReset as BusResetName { Allowed, ForbiddenAtChild, ForbiddenAtPort, Unknown });
names!(Use as UseName { Free, Used, Unknown });
names!(Exclusivity as ExclusivityName { Exclusive, Shared, Unknown });
names!(ClassHistory as ClassHistoryName { Unknown, Good, Bad });
names!(ClassChange as ClassChangeName { None, Demote, Confirm });
names!(PortLink as PortLinkName { Active, Inactive, NotReported, Unreadable });
names!(NotRead as NotReadName { Untried, Failed, Forbidden, FirmwareOwns, Opaque, NoCheckKnown, NotRecorded });
names!(Boot as BootName { Complete, Incomplete });
names!(Counter as CounterName { Continued, Anew });
names!(PowerState as PowerStateName { D0, D1, D2, D3hot });
names!(Aspect as AspectName {
    Identity, WordAtF0, Power, Bars, BarSizes, MemoryDecode, DeviceControl, Transactions, Link, Errors, VendorRegister, Boot,
    SerialNumber,
});

impl Wire for Aspects {
    type Form = Vec<AspectName>;

    fn to_form(&self) -> Self::Form {
        self.iter().map(|aspect| aspect.to_form()).collect()
    }

    fn from_form(form: Self::Form) -> Option<Self> {
        form.into_iter().map(Aspect::from_form).collect()
    }
}
