"""Which of its special tokens a tokenizer starts a text with, ends it with, and fills up with."""

from collections.abc import Collection

from tokenizations.engine.rules import BOS, EOS, PAD

ROLES = (BOS, EOS, PAD)
# Names with only one meaning, best first. [CLS] and [SEP] frame a sentence: they neither start nor end a text.
WELL_KNOWN = {
    BOS: ("<s>", "<bos>", "<|begin_of_text|>", "<|startoftext|>"),
    EOS: ("</s>", "<eos>", "<|endoftext|>", "<|end_of_text|>", "<|im_end|>"),
    PAD: ("<pad>", "[PAD]", "<|pad|>", "<|padding|>", "<|finetune_right_pad_id|>"),
}


def guessed_roles(special_tokens: Collection[str]) -> dict[str, str]:
    """By their names, for a tokenizer of which no file says it; without those that cannot be told."""
    found = {role: next((name for name in WELL_KNOWN[role] if name in special_tokens), "") for role in ROLES}
    return {role: name for role, name in found.items() if name}
