// The fields of the what-if panel. What is typed stays in the browser until it is asked for.
export default {
  template: `
    <form class="what-if" novalidate @submit.prevent="judge">
      <div class="fields">
        <div v-for="field in fields" :key="field.name" class="field" :class="{ wrong: errors[field.name] }">
          <label :for="'w-' + field.name">{{ field.label }}</label>
          <input :id="'w-' + field.name" :name="field.name" v-model="values[field.name]" type="text" maxlength="32"
            :inputmode="field.whole ? 'numeric' : 'text'" autocomplete="off" :placeholder="'e.g. ' + field.example"
            :aria-invalid="errors[field.name] ? 'true' : 'false'" :aria-describedby="'d-' + field.name">
          <p :id="'d-' + field.name" class="hint"><span v-if="errors[field.name]" class="error">{{ errors[field.name] }}</span><span v-else>{{ field.unit }}</span></p>
        </div>
      </div>
      <p class="actions">
        <button type="submit" class="primary" :disabled="busy">{{ busy ? "Judging…" : "Show the policy" }}</button>
        <button type="button" @click="fill" :disabled="!Object.keys(measured).length">Fill in what was measured</button>
        <button type="button" @click="clear">Clear</button>
      </p>
      <p class="said" role="status">{{ said }}</p>
    </form>`,
  props: { fields: Array, errors: Object, said: String, busy: Boolean, measured: Object },
  emits: ["judge", "clear"],
  data() {
    return { values: {} };
  },
  methods: {
    judge() {
      this.$emit("judge", { ...this.values });
    },
    fill() {
      this.values = { ...this.measured };
    },
    clear() {
      this.values = {};
      this.$emit("clear");
    },
  },
};
