import pytest

from tokenizations.engine.roles import guessed_roles


@pytest.mark.parametrize(
    ("tokens", "roles"),
    [
        ([], {}),
        (["[CLS]", "[SEP]", "[PAD]", "[UNK]"], {"pad": "[PAD]"}),
        (["<|endoftext|>", "<|im_end|>", "<|padding|>"], {"eos": "<|endoftext|>", "pad": "<|padding|>"}),
        (["<|im_start|>", "<|im_end|>"], {"eos": "<|im_end|>"}),
        (["<|begin_of_text|>", "<|end_of_text|>", "<|finetune_right_pad_id|>"],
         {"bos": "<|begin_of_text|>", "eos": "<|end_of_text|>", "pad": "<|finetune_right_pad_id|>"}),
        (["</s>", "<unk>", "<s>", "<pad>"], {"bos": "<s>", "eos": "</s>", "pad": "<pad>"}),
    ],
)  # fmt: skip
def test_roles_are_guessed_by_well_known_names(tokens: list[str], roles: dict[str, str]) -> None:
    assert guessed_roles(tokens) == roles
