"""Randomly initialised CLIP models of open_clip, and the forms in which checkpoints are found."""
import json

import numpy as np
import open_clip
import torch
from PIL import Image
from safetensors.torch import save_file


def noise_images(folder, count, size=300):
    """Smooth random pictures, so that no test needs photographs."""
    rng = np.random.default_rng(0)
    for i in range(count):
        (folder / f"class{i % 2}").mkdir(parents=True, exist_ok=True)
        small = rng.integers(0, 256, (6 + i, 8, 3), dtype=np.uint8)
        Image.fromarray(small).resize((size, size + 20 * i), Image.BICUBIC).save(folder / f"class{i % 2}/{i}.png")
    return folder


def image_size(model):
    size = model.visual.image_size
    return size if isinstance(size, int) else size[0]


def architecture(name, layers=None, quick_gelu=True):
    """open_clip's model, freshly initialised. `layers`: at most so many blocks a stage and in the text encoder."""
    config = open_clip.get_model_config(name)
    if layers is not None:
        for part in ("vision_cfg", "text_cfg"):
            whole = config[part]["layers"]
            config[part]["layers"] = min(layers, whole) if isinstance(whole, int) else [min(layers, n) for n in whole]
    return open_clip.CLIP(embed_dim=config["embed_dim"], vision_cfg=open_clip.CLIPVisionCfg(**config["vision_cfg"]),
                          text_cfg=open_clip.CLIPTextCfg(**config["text_cfg"]), quick_gelu=quick_gelu)


def random_model(name, quick_gelu=True, images=None, half=False, layers=None):
    """Batch norms have seen `images` (noise by default), so that features differ by picture. `half`: weights
    that float16 holds. `layers`: as for architecture()."""
    torch.manual_seed(0)
    model = architecture(name, layers, quick_gelu)
    if images is None:
        size = image_size(model)
        batch = torch.randn(2 if size >= 384 else 8, 3, 12, 12)
        images = torch.nn.functional.interpolate(batch, (size, size), mode="bicubic")
    with torch.no_grad():
        for p in model.parameters():
            if p.ndim == 1:
                p.add_(0.1 * torch.randn_like(p))
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None  # plain average of what it sees
        if any(isinstance(m, torch.nn.BatchNorm2d) for m in model.modules()):
            model.visual.train()
            model.visual(images)
        if half:
            model.half().float()
    return model.eval()


def save_open_clip(model, folder, half=False, config=None):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "open_clip_model.safetensors"
    kind = torch.float16 if half else torch.float32
    state = {k: v.to(kind).contiguous() for k, v in model.state_dict().items() if v.is_floating_point()}
    save_file(state, path)
    if config is not None:
        (folder / "open_clip_config.json").write_text(json.dumps(config))
    return path


def save_shapes(name, folder):
    """A checkpoint of the whole architecture in which every weight is zero, and its number of parameters: a file
    that takes no room on disk."""
    with torch.device("meta"):
        model = architecture(name)
    header, at = {}, 0
    for key, value in model.state_dict().items():
        if value.is_floating_point():
            header[key] = {"dtype": "F16", "shape": list(value.shape), "data_offsets": [at, at + 2 * value.numel()]}
            at += 2 * value.numel()
    text = json.dumps(header).encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "open_clip_model.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    with open(path, "r+b") as file:
        file.truncate(8 + len(text) + at)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": {"quick_gelu": True}}))
    return path, sum(p.numel() for p in model.parameters())


def save_openai(model, folder, half=False):
    """TorchScript with open_clip's names, which are OpenAI's, and the resolution as a tensor, as there."""
    folder.mkdir(parents=True, exist_ok=True)
    size = image_size(model)
    model.register_buffer("input_resolution", torch.tensor(size))
    tokens = open_clip.tokenize(["a"])
    with torch.no_grad():
        traced = torch.jit.trace_module(model, {"encode_image": torch.zeros(1, 3, size, size), "encode_text": tokens},
                                        check_trace=False)
        if half:
            traced.half()
    path = folder / "archive.pt"
    traced.save(str(path))
    del model.input_resolution
    if half:
        model.float()
    return path


def hugging_face_names(state):
    """open_clip's state of a vision transformer under CLIPModel's names."""
    out = {"logit_scale": state["logit_scale"],
           "text_projection.weight": state["text_projection"].T,
           "visual_projection.weight": state["visual.proj"].T,
           "text_model.embeddings.token_embedding.weight": state["token_embedding.weight"],
           "text_model.embeddings.position_embedding.weight": state["positional_embedding"],
           "vision_model.embeddings.class_embedding": state["visual.class_embedding"],
           "vision_model.embeddings.patch_embedding.weight": state["visual.conv1.weight"],
           "vision_model.embeddings.position_embedding.weight": state["visual.positional_embedding"]}
    for kind in ("weight", "bias"):
        out[f"text_model.final_layer_norm.{kind}"] = state[f"ln_final.{kind}"]
        out[f"vision_model.pre_layrnorm.{kind}"] = state[f"visual.ln_pre.{kind}"]
        out[f"vision_model.post_layernorm.{kind}"] = state[f"visual.ln_post.{kind}"]
    for ours, theirs in (("transformer", "text_model"), ("visual.transformer", "vision_model")):
        layer = 0
        while f"{ours}.resblocks.{layer}.ln_1.weight" in state:
            a, b = f"{ours}.resblocks.{layer}", f"{theirs}.encoder.layers.{layer}"
            for kind in ("weight", "bias"):
                joined = state[f"{a}.attn.in_proj_{kind}"].chunk(3)
                for part, value in zip("qkv", joined):
                    out[f"{b}.self_attn.{part}_proj.{kind}"] = value
                for x, y in (("attn.out_proj", "self_attn.out_proj"), ("ln_1", "layer_norm1"), ("ln_2", "layer_norm2"),
                             ("mlp.c_fc", "mlp.fc1"), ("mlp.c_proj", "mlp.fc2")):
                    out[f"{b}.{y}.{kind}"] = state[f"{a}.{x}.{kind}"]
            layer += 1
    return {k: v.contiguous() for k, v in out.items()}


def save_hugging_face(model, folder, quick_gelu=True):
    """Through transformers' own CLIPModel, which says whether names and shapes are right."""
    from transformers import CLIPConfig, CLIPModel
    state = {k: v for k, v in model.state_dict().items() if v.is_floating_point()}
    width, grid = state["visual.conv1.weight"].shape[0], state["visual.conv1.weight"].shape[2]
    act = "quick_gelu" if quick_gelu else "gelu"
    text_width = state["text_projection"].shape[0]
    config = CLIPConfig(
        text_config={"hidden_size": text_width, "intermediate_size": 4 * text_width, "num_attention_heads": text_width // 64,
                     "num_hidden_layers": len(model.transformer.resblocks), "hidden_act": act},
        vision_config={"hidden_size": width, "intermediate_size": 4 * width, "num_attention_heads": width // 64,
                       "num_hidden_layers": len(model.visual.transformer.resblocks), "patch_size": grid,
                       "image_size": image_size(model), "hidden_act": act},
        projection_dim=state["text_projection"].shape[1])
    theirs = CLIPModel(config)
    theirs.load_state_dict(hugging_face_names(state), strict=True)
    theirs.save_pretrained(folder)
    return folder / "model.safetensors"
