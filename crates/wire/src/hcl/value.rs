/// A value read from HCL or JSON.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// JSON `null`; HCL itself has no such value.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number without point and exponent, out of HCL.
    Int(i64),
    /// A number with point or exponent out of HCL; every number out of strict JSON.
    Float(f64),
    /// A quoted string or heredoc with its escapes resolved; `${…}` is verbatim.
    String(String),
    /// A list, or blocks: see [`Spanned::blocks`].
    List(Vec<Spanned>),
    /// An object. Out of HCL it occurs only as an element of a list or of blocks; out of strict JSON also under a key.
    Object(Object),
}

/// A value and where it stands: at its key when it has one, else at its first token. Lines and columns count from 1;
/// columns count characters.
#[derive(Debug, Clone, PartialEq)]
pub struct Spanned {
    /// The value.
    pub value: Value,
    /// Line of the key or first token.
    pub line: u32,
    /// Column of the key or first token.
    pub column: u32,
    /// True on a `Value::List` made of objects given to one key: `k { … }`, `k = { … }`, `k "label" { … }`, and
    /// repetitions of these. HCL does not tell one block from a list of one, so even a single block is such a list; where
    /// one object is wanted, [`Spanned::as_object`] unwraps it. False on a list written with brackets and on everything
    /// out of strict JSON.
    pub blocks: bool,
}

/// The entries of one object in the order their keys first appear. Keys are unique here: repetition follows HCL's
/// merging rules (scalar: last wins; lists and blocks: concatenated). A label is one more level: `service "web" { … }`
/// is `service = [{ web = [{ … }] }]`, both lists being blocks.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Object {
    /// Key and value.
    pub entries: Vec<(String, Spanned)>,
}

impl Object {
    /// The value of a key spelled exactly so.
    pub fn get(&self, key: &str) -> Option<&Spanned> {
        self.entries.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The entries in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Spanned)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Spanned {
    /// The object itself, or the only object of a one-element list. `None` for everything else, two blocks included.
    pub fn as_object(&self) -> Option<&Object> {
        match self.unwrapped() {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The value, or the only element when it is a list of one: where the reference wants a scalar or a map it takes
    /// either (`docs/spec/config.md §2.2`).
    pub fn unwrapped(&self) -> &Value {
        match &self.value {
            Value::List(elements) => match elements.as_slice() {
                [only] => &only.value,
                _ => &self.value,
            },
            value => value,
        }
    }
}
