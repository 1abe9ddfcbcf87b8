//! Values as bytes that are equal exactly when the values are.

use crate::kql::value::Val;

/// The bytes of a row of values.
pub(in crate::kql) fn of<'c, 'v: 'c>(values: impl IntoIterator<Item = &'c Val<'v>>) -> Vec<u8> {
    let mut key = Vec::new();
    write(values, &mut key);
    key
}

/// As [`of`], in place of what `key` held: who looks up many keys needs only one buffer.
pub(in crate::kql) fn write<'c, 'v: 'c>(values: impl IntoIterator<Item = &'c Val<'v>>, key: &mut Vec<u8>) {
    key.clear();
    for value in values {
        match value {
            Val::Null => key.push(0),
            Val::Bool(v) => key.extend([1, u8::from(*v)]),
            // An int and a long of one value are equal.
            Val::Int(v) => tagged(key, 2, &i64::from(*v).to_le_bytes()),
            Val::Long(v) => tagged(key, 2, &v.to_le_bytes()),
            Val::Real(v) => tagged(key, 3, &(if *v == 0.0 { 0.0 } else { *v }).to_bits().to_le_bytes()),
            Val::DateTime(v) => tagged(key, 4, &v.to_le_bytes()),
            Val::Timespan(v) => tagged(key, 5, &v.to_le_bytes()),
            Val::Guid(v) => tagged(key, 6, v.as_bytes()),
            Val::Str(v) => sized(key, 7, v.as_bytes()),
            Val::Dyn(v) => sized(key, 8, v.to_json().to_string().as_bytes()),
        }
    }
}

fn tagged(key: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    key.push(tag);
    key.extend_from_slice(bytes);
}

fn sized(key: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    key.push(tag);
    key.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    key.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_do_not_run_together() {
        assert_ne!(of(&[Val::from("a"), Val::from("bc")]), of(&[Val::from("ab"), Val::from("c")]));
        assert_ne!(of(&[Val::Null, Val::from("")]), of(&[Val::from(""), Val::Null]));
        assert_eq!(of(&[Val::Int(1)]), of(&[Val::Long(1)]));
    }
}
