use serde::de::{self, Deserialize, DeserializeSeed, EnumAccess, IntoDeserializer, VariantAccess, Visitor};
use std::borrow::Cow;

use super::{Error, Scan, Scanner, head::Head};

/// Deepest nesting of lists and maps a decoder follows; deeper input is an error instead of a stack overflow.
pub const MAX_DEPTH: u32 = 256;

/// Decodes the one value `input` holds. Bytes behind it are [`Error::Trailing`].
pub fn from_slice<'a, T: Deserialize<'a>>(input: &'a [u8]) -> Result<T, Error> {
    let (value, consumed) = from_slice_prefix(input)?;
    if consumed < input.len() {
        return Err(Error::Trailing(consumed));
    }
    Ok(value)
}

/// Decodes the value at the start of `input`; the number is the bytes it took.
pub fn from_slice_prefix<'a, T: Deserialize<'a>>(input: &'a [u8]) -> Result<(T, usize), Error> {
    let mut deserializer = Deserializer::new(input);
    let value = T::deserialize(&mut deserializer)?;
    Ok((value, deserializer.position))
}

/// Decodes values from a slice, one after the other. Strings and byte slices can borrow from it.
#[derive(Debug)]
pub struct Deserializer<'de> {
    input: &'de [u8],
    position: usize,
    depth: u32,
}

impl<'de> Deserializer<'de> {
    /// A deserializer at the first byte of `input`.
    pub fn new(input: &'de [u8]) -> Self {
        Self { input, position: 0, depth: 0 }
    }

    /// Bytes consumed so far.
    pub fn position(&self) -> usize {
        self.position
    }

    #[inline]
    fn head(&mut self) -> Result<Head, Error> {
        let Some((head, length)) = Head::read(self.input, self.position)? else {
            return Err(Error::Truncated(self.input.len()));
        };
        self.position += length;
        Ok(head)
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'de [u8], Error> {
        let Some(bytes) = self.input.get(self.position..).and_then(|rest| rest.get(..length)) else {
            return Err(Error::Truncated(self.input.len()));
        };
        self.position += length;
        Ok(bytes)
    }

    fn skip_value(&mut self) -> Result<(), Error> {
        match Scanner::starting_at(self.position).scan(self.input)? {
            Scan::Complete(end) => {
                self.position = end;
                Ok(())
            }
            Scan::Incomplete(_) => Err(Error::Truncated(self.input.len())),
        }
    }

    fn unexpected(&self, at: usize, head: Head, wanted: &'static str) -> Error {
        let byte = self.input.get(at).copied().unwrap_or_default();
        Error::Unexpected { position: at, byte, found: head.kind(), wanted }
    }

    /// Text goes to the visitor as a string; the reference's strings may hold any bytes, so what is not UTF-8 goes as
    /// bytes and it is the target's choice to refuse it.
    fn visit_raw<V: Visitor<'de>>(&mut self, length: usize, visitor: V) -> Result<V::Value, Error> {
        let bytes = self.take(length)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => visitor.visit_borrowed_str(text),
            Err(_) => visitor.visit_borrowed_bytes(bytes),
        }
    }

    fn visit_list<V: Visitor<'de>>(&mut self, length: usize, padding: usize, visitor: V) -> Result<V::Value, Error> {
        self.nested(length, |de, left| visitor.visit_seq(Elements { de, left, padding }))
    }

    fn visit_pairs<V: Visitor<'de>>(&mut self, pairs: usize, visitor: V) -> Result<V::Value, Error> {
        self.nested(pairs.saturating_mul(2), |de, left| visitor.visit_map(Pairs { de, left }))
    }

    /// Lets `visit` take values off a container and skips those it left.
    fn nested<T>(
        &mut self,
        mut values: usize,
        visit: impl FnOnce(&mut Self, &mut usize) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if self.depth == MAX_DEPTH {
            return Err(Error::TooDeep(self.position));
        }
        self.depth += 1;
        let result = visit(self, &mut values)?;
        while values > 0 {
            self.skip_value()?;
            values -= 1;
        }
        self.depth -= 1;
        Ok(result)
    }

    fn integer<V: Visitor<'de>>(&mut self, visitor: V, wanted: &'static str) -> Result<V::Value, Error> {
        let at = self.position;
        match self.head()? {
            Head::Nil => visitor.visit_u64(0),
            Head::FixInt(value) if value >= 0 => visitor.visit_u64(value.unsigned_abs().into()),
            Head::FixInt(value) => visitor.visit_i64(value.into()),
            Head::Unsigned(value) => visitor.visit_u64(value),
            Head::Signed(value) => match u64::try_from(value) {
                Ok(value) => visitor.visit_u64(value),
                Err(_) => visitor.visit_i64(value),
            },
            head => Err(self.unexpected(at, head, wanted)),
        }
    }

    fn float(&mut self, wanted: &'static str) -> Result<f64, Error> {
        let at = self.position;
        match self.head()? {
            Head::Nil => Ok(0.0),
            Head::F32(value) => Ok(value.into()),
            Head::F64(value) => Ok(value),
            Head::FixInt(value) => Ok(value.into()),
            Head::Unsigned(value) => Ok(value as f64),
            Head::Signed(value) => Ok(value as f64),
            head => Err(self.unexpected(at, head, wanted)),
        }
    }

    fn unit<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let at = self.position;
        match self.head()? {
            Head::Nil => {}
            Head::Array(length) => self.nested(length, |_, _| Ok(()))?,
            Head::Map(pairs) => self.nested(pairs.saturating_mul(2), |_, _| Ok(()))?,
            head => return Err(self.unexpected(at, head, "an empty value")),
        }
        visitor.visit_unit()
    }
}

macro_rules! integers {
    ($($method:ident $wanted:literal)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.integer(visitor, $wanted)
        })*
    };
}

impl<'de> de::Deserializer<'de> for &mut Deserializer<'de> {
    type Error = Error;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let at = self.position;
        match self.head()? {
            Head::Nil => visitor.visit_unit(),
            Head::Bool(value) => visitor.visit_bool(value),
            Head::FixInt(value) => visitor.visit_i64(value.into()),
            Head::Signed(value) => visitor.visit_i64(value),
            Head::Unsigned(value) => visitor.visit_u64(value),
            Head::F32(value) => visitor.visit_f64(value.into()),
            Head::F64(value) => visitor.visit_f64(value),
            Head::Raw(length) | Head::Bin(length) => self.visit_raw(length, visitor),
            Head::Array(length) => self.visit_list(length, 0, visitor),
            Head::Map(pairs) => self.visit_pairs(pairs, visitor),
            head @ Head::Ext(_) => Err(self.unexpected(at, head, "any value")),
        }
    }

    integers! {
        deserialize_i8 "int8"
        deserialize_i16 "int16"
        deserialize_i32 "int32"
        deserialize_i64 "int64"
        deserialize_i128 "int64"
        deserialize_u8 "uint8"
        deserialize_u16 "uint16"
        deserialize_u32 "uint32"
        deserialize_u64 "uint64"
        deserialize_u128 "uint64"
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let at = self.position;
        match self.head()? {
            Head::Nil | Head::FixInt(0) => visitor.visit_bool(false),
            Head::FixInt(1) => visitor.visit_bool(true),
            Head::Bool(value) => visitor.visit_bool(value),
            head => Err(self.unexpected(at, head, "bool")),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let value = self.float("float32")?;
        if value.is_finite() && value.abs() > f64::from(f32::MAX) {
            return Err(Error::Overflow { position: self.position, wanted: "float32" });
        }
        visitor.visit_f32(value as f32)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let value = self.float("float64")?;
        visitor.visit_f64(value)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let at = self.position;
        match self.head()? {
            Head::Nil => visitor.visit_char('\0'),
            Head::Raw(length) => self.visit_raw(length, visitor),
            head => Err(self.unexpected(at, head, "a character")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let at = self.position;
        match self.head()? {
            Head::Nil => visitor.visit_borrowed_str(""),
            // Text need not be UTF-8 where it comes from (the output of a check, say): such bytes are shown as U+FFFD, which
            // is better than to refuse a whole snapshot for them.
            Head::Raw(length) => match String::from_utf8_lossy(self.take(length)?) {
                Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
                Cow::Owned(text) => visitor.visit_string(text),
            },
            head => Err(self.unexpected(at, head, "string")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let at = self.position;
        match self.head()? {
            Head::Nil => visitor.visit_borrowed_bytes(&[]),
            Head::Raw(length) | Head::Bin(length) => visitor.visit_borrowed_bytes(self.take(length)?),
            Head::Array(length) => self.visit_list(length, 0, visitor),
            head => Err(self.unexpected(at, head, "bytes")),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Some((head, length)) = Head::read(self.input, self.position)? else {
            return Err(Error::Truncated(self.input.len()));
        };
        if head == Head::Nil {
            self.position += length;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.unit(visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Error> {
        self.unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let at = self.position;
        match self.head()? {
            Head::Nil => self.visit_list(0, 0, visitor),
            Head::Array(length) => self.visit_list(length, 0, visitor),
            // A byte slice into a plain `Vec<u8>`: serde asks for a sequence of numbers.
            Head::Raw(length) | Head::Bin(length) => {
                let bytes = self.take(length)?;
                visitor.visit_seq(de::value::SeqDeserializer::new(bytes.iter().copied()))
            }
            head => Err(self.unexpected(at, head, "a list")),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Error> {
        let at = self.position;
        match self.head()? {
            Head::Nil => self.visit_list(0, length, visitor),
            Head::Array(present) => self.visit_list(present, length.saturating_sub(present), visitor),
            Head::Raw(present) | Head::Bin(present) => {
                let bytes = self.take(present)?;
                visitor.visit_seq(de::value::SeqDeserializer::new(bytes.iter().copied()))
            }
            head => Err(self.unexpected(at, head, "a list")),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let at = self.position;
        match self.head()? {
            Head::Nil => self.visit_pairs(0, visitor),
            Head::Map(pairs) => self.visit_pairs(pairs, visitor),
            head => Err(self.unexpected(at, head, "a map")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let at = self.position;
        match self.head()? {
            Head::Nil => self.visit_pairs(0, visitor),
            Head::Map(pairs) => self.visit_pairs(pairs, visitor),
            Head::Array(length) => self.visit_list(length, 0, visitor),
            head => Err(self.unexpected(at, head, "a struct")),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let at = self.position;
        match self.head()? {
            Head::Nil => visitor.visit_enum("".into_deserializer()),
            Head::Raw(length) => match std::str::from_utf8(self.take(length)?) {
                Ok(name) => visitor.visit_enum(name.into_deserializer()),
                Err(_) => Err(self.unexpected(at, Head::Bin(length), "a variant name")),
            },
            Head::Map(1) => self.nested(0, |de, _| visitor.visit_enum(Variant { de })),
            head => Err(self.unexpected(at, head, "a variant name or a map with one key")),
        }
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.skip_value()?;
        visitor.visit_unit()
    }
}

/// A list being read; `padding` nils follow its own elements (fixed-size targets).
struct Elements<'a, 'de> {
    de: &'a mut Deserializer<'de>,
    left: &'a mut usize,
    padding: usize,
}

impl<'de> de::SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if *self.left > 0 {
            *self.left -= 1;
            return seed.deserialize(&mut *self.de).map(Some);
        }
        if self.padding > 0 {
            self.padding -= 1;
            return seed.deserialize(&mut Deserializer::new(&[0xc0])).map(Some);
        }
        Ok(None)
    }

    fn size_hint(&self) -> Option<usize> {
        Some((*self.left).min(self.de.input.len() - self.de.position))
    }
}

/// A map being read; `left` counts keys and values.
struct Pairs<'a, 'de> {
    de: &'a mut Deserializer<'de>,
    left: &'a mut usize,
}

impl<'de> de::MapAccess<'de> for Pairs<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if *self.left == 0 {
            return Ok(None);
        }
        *self.left -= 1;
        seed.deserialize(&mut *self.de).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        *self.left = self.left.saturating_sub(1);
        seed.deserialize(&mut *self.de)
    }

    fn size_hint(&self) -> Option<usize> {
        Some((*self.left / 2).min(self.de.input.len() - self.de.position))
    }
}

/// The key and value of a one-entry map that stands for a variant with content.
struct Variant<'a, 'de> {
    de: &'a mut Deserializer<'de>,
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name = seed.deserialize(&mut *self.de)?;
        Ok((name, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        self.de.skip_value()
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.de)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Error> {
        de::Deserializer::deserialize_tuple(self.de, length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        de::Deserializer::deserialize_struct(self.de, "", fields, visitor)
    }
}
