"""Which faults of the corpus a change of the live training can reach, and which not.

A fault can be reached where it sits in what a training holds: its weights, rates,
optimizer, activations, loss, and the scale of what goes in and comes out. It cannot
where it sits in the program around them. This is told by the recipe, by reading it;
what treats it does not know.
"""

# name of the recipe: what would have to be edited
IN_THE_SOURCE: dict[str, str] = {
    "clipped_always_tiny_norm": "the loop clips",
    "clipped_always_value": "the loop clips",
    "constant_feature_integer_division": "the data are lost before they come",
    "constant_feature_same_column": "the data are lost before they come",
    "dead_unit_sparse_autoencoder": "a penalty inside the loss",
    "duplicate_batch_first_rows": "the loop",
    "duplicate_batch_leftover_variable": "the loop",
    "duplicate_batch_next_iter": "the loop",
    "endless_warm_up_epochs": "the loop's schedule",
    "half_precision_no_scaler": "the loop",
    "imbalance_one_class_of_ten": "what is drawn, and how often",
    "imbalance_rare_positives": "weights of the classes, or what is drawn",
    "label_noise_forty_percent": "the labels",
    "label_noise_joined_wrongly": "the labels",
    "label_noise_misaligned": "the labels",
    "leak_across_batch_attention": "the forward pass: an axis",
    "leak_across_batch_lstm_axis": "the forward pass: an axis",
    "leak_across_batch_softmax_dim": "the forward pass: an axis",
    "many_batches_wrong_indent": "the loop",
    "no_gradient_detached_features": "the forward pass cuts the graph",
    "no_gradient_hard_threshold": "the forward pass cuts the graph",
    "no_gradient_layer_not_called": "the forward pass",
    "nonfinite_data_log_target": "the data",
    "nonfinite_data_missing_value": "the data",
    "nonfinite_gradient_distance": "the loss: a root at zero",
    "nonfinite_loss_zero_std": "the forward pass divides by zero",
    "not_in_optimizer_python_list": "parameters that no one knows of",
    "not_zeroed_adam_regression": "the loop",
    "not_zeroed_once_an_epoch": "the loop",
    "not_zeroed_sgd": "the loop",
    "overfit_few_noisy_digits": "too few data",
    "rate_gone_cosine_period": "the loop's schedule",
    "scaler_skips_mean_teacher": "the loop",
    "skewed_input_incomes": "the data want a logarithm",
    "step_too_small_schedule": "the loop's schedule",
    "step_without_backward": "the loop",
    "unshuffled_sorted_labels": "the order of the data",
    "unshuffled_time_blocks": "the order of the data",
    "wrong_loss_class_numbers": "the number of outputs",
    "wrong_mode_eval_after_validation": "the loop",
    "zeroed_before_step": "the loop",
}
