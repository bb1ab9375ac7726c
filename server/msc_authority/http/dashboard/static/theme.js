// Which theme is on. The browser keeps the choice.
export default {
  template: `<label class="theme"><span>Theme</span> <select>
    <option value="system">System</option><option value="light">Light</option><option value="dark">Dark</option>
  </select></label>`,
  mounted() {
    window.msc.bindTheme(this.$el.querySelector("select"));
  },
};
