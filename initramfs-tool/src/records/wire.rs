//! The form of core's types in JSON: what events, history, quarantine, baselines, journals and bundles have in common.
//!
//! Values are names in kebab case, an enum with data is an object with a `kind`, and a set is a list of names. A field of a
//! type that implements [`Wire`] is written with `#[serde(with = "wire")]`. What version 1 of
//! these forms wrote is what serde makes of core's types, and is read by them.

mod decision;
mod health;
pub(crate) mod names;
pub(crate) mod outcome;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A type with a form for JSON.
pub(crate) trait Wire: Sized {
    /// The form.
    type Form: Serialize + DeserializeOwned;

    /// The value in that form.
    fn to_form(&self) -> Self::Form;

    /// The value again; nothing if the form means no value.
    fn from_form(form: Self::Form) -> Option<Self>;
}

/// For `#[serde(with = "wire")]`.
pub(crate) fn serialize<T: Wire, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    value.to_form().serialize(serializer)
}

/// For `#[serde(with = "wire")]`.
pub(crate) fn deserialize<'de, T: Wire, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let form = T::Form::deserialize(deserializer)?;
    T::from_form(form).ok_or_else(|| D::Error::custom("it means no value that this version knows"))
}

impl<T: Wire> Wire for Option<T> {
    type Form = Option<T::Form>;

    fn to_form(&self) -> Self::Form {
        self.as_ref().map(T::to_form)
    }

    fn from_form(form: Self::Form) -> Option<Self> {
        match form {
            Some(form) => T::from_form(form).map(Some),
            None => Some(None),
        }
    }
}

impl<T: Wire> Wire for Vec<T> {
    type Form = Vec<T::Form>;

    fn to_form(&self) -> Self::Form {
        self.iter().map(T::to_form).collect()
    }

    fn from_form(form: Self::Form) -> Option<Self> {
        form.into_iter().map(T::from_form).collect()
    }
}
