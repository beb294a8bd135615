"""results.json made up by tests: sealed, and with numbers that follow from one another."""
import hashlib
import json
import math
import statistics

T_975 = {2: 12.706204736432095, 3: 4.302652729911275, 10: 2.2621571627409915}  # of so many values


def seal(path, results):
    """As the program writes it, with its hash."""
    text = json.dumps(dict(results, sha256="0" * 64), indent=1, ensure_ascii=False) + "\n"
    path.write_text(text.replace("0" * 64, hashlib.sha256(text.encode()).hexdigest(), 1))


def counts(samples, top1, top5):
    return {"samples": samples, "top1": top1, "top5": top5, "top1_accuracy": top1 / samples, "top5_accuracy": top5 / samples}


def row(method, templates, shots, counted):
    """Of the counts by subset."""
    made = {"method": method, "templates": templates, "shots": shots}
    for top in ("top1", "top5"):
        values = [c[f"{top}_accuracy"] for c in counted]
        half = T_975[len(values)] * statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
        made |= {f"{top}_accuracy": values, f"{top}_mean": statistics.fmean(values), f"{top}_half_width_95": half}
    return made


def rows(results):
    config = results["config"]
    made = [row(e["method"], e["templates"], 0, [e["counts"]]) for e in results["evaluations"] if e["shots"] == 0]
    for method, key in (("Tip-Adapter", "tip_adapter"), ("Tip-Adapter-F", "tip_adapter_f")):
        for shots in config["shots"]:
            counted = [c[key] for c in results["cells"] if c["shots"] == shots]
            made.append(row(method, config["templates"], shots, counted[:1] if shots == results["most_keys"] else counted))
    return made


def bins(samples, top1):
    """15 bins that hold them evenly, and the error of the calibration."""
    made, error = [], 0
    for b in range(15):
        count = samples * (b + 1) // 15 - samples * b // 15
        right = top1 * (b + 1) // 15 - top1 * b // 15
        made.append([count, (b + 0.5) / 15, right / count])
        error += count * abs((b + 0.5) / 15 - right / count)
    return made, error / samples


def evaluation(method, templates, shots, class_samples, class_top1):
    samples, top1, classes = sum(class_samples), sum(class_top1), len(class_samples)
    confusions = [[c, (c + 1) % classes, class_samples[c] - class_top1[c]] for c in range(classes)]
    confusions = sorted((c for c in confusions if c[2] > 0), key=lambda c: -c[2])
    calibration, error = bins(samples, top1)
    return {"method": method, "templates": templates, "shots": shots, "file": "none.h5", "counts": counts(samples, top1, samples),
            "class_top1": class_top1, "ece": error, "calibration_bins": calibration, "confusions": confusions,
            "confusions_left_out": 0}


def without_images_of(results, lost):
    """The same study, had its test images none of class `lost`."""
    results["class_samples"][lost] = 0
    samples = sum(results["class_samples"])
    for done in results["evaluations"]:
        right = [0 if c == lost else n for c, n in enumerate(done["class_top1"])]
        file = done["file"]
        done |= evaluation(done["method"], done["templates"], done["shots"], results["class_samples"], right)
        done["file"] = file
    for cell in results["cells"]:
        for key in ("tip_adapter", "tip_adapter_f"):
            cell[key] = counts(samples, min(cell[key]["top1"], samples), samples)
    results["rows"] = rows(results)
    results["test"] = results["evaluations"][-1]["counts"]
