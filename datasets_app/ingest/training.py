"""Trains small tokenizers, for a sample to try things with."""

from collections import Counter
from collections.abc import Sequence

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

END_OF_TEXT = "<|endoftext|>"
WORDPIECE_SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PADDING, UNKNOWN, START, SEPARATOR, MASK = WORDPIECE_SPECIALS
CONTINUING = "##"
RARE_CHARACTER = 20  # rarer ones become [UNK]


def train_byte_bpe(texts: Sequence[str], vocab_size: int) -> bytes:
    """A byte-level BPE in the manner of GPT-2, as a tokenizer.json. The same texts give the same bytes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return _content(tokenizer)


def train_wordpiece(texts: Sequence[str], vocab_size: int) -> bytes:
    """A WordPiece in the manner of uncased BERT, as a tokenizer.json. The same texts give the same bytes."""
    trainee = _bert(models.WordPiece(unk_token=UNKNOWN))
    alphabet = _alphabet(texts, trainee.normalizer)
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        # The trainer numbers the continuing characters in a random order and decides ties by number. Those it is given
        # beforehand keep their place; they are not special in the tokenizer that is built of the vocabulary.
        special_tokens=[*WORDPIECE_SPECIALS, *(f"{CONTINUING}{character}" for character in alphabet)],
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        show_progress=False,
    )
    trainee.train_from_iterator(texts, trainer)
    tokenizer = _bert(models.WordPiece(trainee.get_vocab(), unk_token=UNKNOWN))
    tokenizer.add_special_tokens(list(WORDPIECE_SPECIALS))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {SEPARATOR}",
        pair=f"{START} $A {SEPARATOR} $B:1 {SEPARATOR}:1",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (START, SEPARATOR)],
    )
    return _content(tokenizer)


def _bert(model: models.WordPiece) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix=CONTINUING)
    return tokenizer


def _alphabet(texts: Sequence[str], normalizer: normalizers.Normalizer) -> list[str]:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(normalizer.normalize_str(text))
    return sorted(
        character for character, count in counts.items() if count >= RARE_CHARACTER and not character.isspace()
    )


def _content(tokenizer: Tokenizer) -> bytes:
    content: str = tokenizer.to_str(pretty=True)
    return content.encode()
